import type { LucideIcon } from 'lucide-react';
import {
  Braces,
  FileArchive,
  FileIcon as FileBlank,
  FileCode,
  FileImage,
  FileSymlink,
  FileTerminal,
  FileText,
  Folder,
  FolderOpen,
  Globe,
  Palette,
} from 'lucide-react';
import type { TreeRow } from './tree-model.ts';

interface Kind {
  readonly icon: LucideIcon;
  readonly tone: string;
}

const BLANK: Kind = { icon: FileBlank, tone: 'plain' };
const code = (tone: string): Kind => ({ icon: FileCode, tone });
const KINDS: Readonly<Record<string, Kind>> = {
  ts: code('blue'),
  tsx: code('blue'),
  js: code('amber'),
  jsx: code('amber'),
  mjs: code('amber'),
  py: code('blue'),
  go: code('accent'),
  rs: code('amber'),
  java: code('red'),
  c: code('blue'),
  h: code('blue'),
  cpp: code('blue'),
  rb: code('red'),
  php: code('blue'),
  json: { icon: Braces, tone: 'amber' },
  yaml: { icon: Braces, tone: 'red' },
  yml: { icon: Braces, tone: 'red' },
  toml: { icon: Braces, tone: 'plain' },
  html: { icon: Globe, tone: 'red' },
  css: { icon: Palette, tone: 'blue' },
  md: { icon: FileText, tone: 'accent' },
  txt: { icon: FileText, tone: 'plain' },
  log: { icon: FileText, tone: 'plain' },
  sh: { icon: FileTerminal, tone: 'green' },
  png: { icon: FileImage, tone: 'green' },
  jpg: { icon: FileImage, tone: 'green' },
  jpeg: { icon: FileImage, tone: 'green' },
  gif: { icon: FileImage, tone: 'green' },
  svg: { icon: FileImage, tone: 'green' },
  webp: { icon: FileImage, tone: 'green' },
  zip: { icon: FileArchive, tone: 'amber' },
  gz: { icon: FileArchive, tone: 'amber' },
  tar: { icon: FileArchive, tone: 'amber' },
};

function kindOf(name: string, type: TreeRow['type'], expanded: boolean): Kind {
  if (type === 'directory') return { icon: expanded ? FolderOpen : Folder, tone: 'folder' };
  if (type === 'symlink') return { icon: FileSymlink, tone: 'plain' };
  return KINDS[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? BLANK;
}

interface FileIconProps {
  readonly name: string;
  readonly type?: TreeRow['type'];
  readonly expanded?: boolean;
}

export function FileIcon({ name, type = 'file', expanded = false }: FileIconProps) {
  const { icon: Icon, tone } = kindOf(name, type, expanded);
  return <Icon className={`file-icon ${tone}`} size={16} strokeWidth={1.8} aria-hidden />;
}
