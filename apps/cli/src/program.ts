import { Command } from 'commander';
import { agentCommand } from './commands/agent.ts';
import { auditCommand } from './commands/audit.ts';
import { dataCommand } from './commands/data.ts';
import { dbCommand } from './commands/db.ts';
import { doctorCommand } from './commands/doctor.ts';
import { imageCommand } from './commands/image.ts';
import { keysCommand } from './commands/keys.ts';
import { microvmCommand } from './commands/microvm.ts';
import { rootfsCommand } from './commands/rootfs.ts';
import { serverCommand } from './commands/server.ts';
import { signInLinkCommand } from './commands/sign-in-link.ts';
import { testCommand } from './commands/test.ts';
import { tokenCommand } from './commands/token.ts';
import { upCommand } from './commands/up.ts';
import { versionCommand } from './commands/version.ts';
import { workersCommand } from './commands/workers.ts';
import { workshopCommand } from './commands/workshop.ts';
import { type Output, terminalOutput } from './output.ts';
import { productVersion } from './version.ts';

export function createProgram(output: Output): Command {
  const program = new Command('clarateach')
    .description('Hands-on live workshops: one join code, an isolated Linux workspace for every learner.')
    .version(productVersion(), '--version', 'print the version')
    .showSuggestionAfterError()
    .showHelpAfterError('(clarateach --help lists the commands)');
  program
    .addCommand(upCommand(output))
    .addCommand(serverCommand(output))
    .addCommand(agentCommand(output))
    .addCommand(workersCommand(output))
    .addCommand(workshopCommand(output))
    .addCommand(tokenCommand(output))
    .addCommand(signInLinkCommand(output))
    .addCommand(keysCommand(output))
    .addCommand(auditCommand(output))
    .addCommand(dataCommand(output))
    .addCommand(dbCommand(output))
    .addCommand(imageCommand(output))
    .addCommand(rootfsCommand(output))
    .addCommand(microvmCommand(output))
    .addCommand(doctorCommand(output))
    .addCommand(testCommand())
    .addCommand(versionCommand(output));
  for (const command of withAllBelow(program)) command.exitOverride();
  return program;
}

/** The names of the commands, and of the commands below each. */
export function commandTree(): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    createProgram(terminalOutput).commands.map((command) => [
      command.name(),
      new Set(command.commands.map((each) => each.name())),
    ]),
  );
}

function withAllBelow(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withAllBelow)];
}
