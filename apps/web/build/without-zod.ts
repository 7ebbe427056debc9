import type { Plugin } from 'vite';

const ZOD = /\/node_modules\/zod\//;

/** Fails a build that puts zod, which weighs more than most pages, into one of them. */
export function withoutZod(): Plugin {
  return {
    name: 'clarateach:without-zod',
    apply: 'build',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        const heavy = Object.entries(file.modules).some(
          ([id, { renderedLength }]) => renderedLength > 0 && ZOD.test(id),
        );
        if (heavy) {
          this.error(
            `${file.fileName} carries zod. Import types of the contract, and what pages need of its values from a file without schemas.`,
          );
        }
      }
    },
  };
}
