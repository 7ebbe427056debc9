/** A file to upload, with its path below the directory it goes to. */
export interface FileUpload {
  readonly path: string;
  readonly file: File;
}

function entriesOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  return new Promise((resolve, reject) => {
    // A reader gives a hundred at a time, and none at the end.
    const next = () =>
      reader.readEntries((some) => {
        if (some.length === 0) resolve(all);
        else {
          all.push(...some);
          next();
        }
      }, reject);
    next();
  });
}

async function walk(entry: FileSystemEntry): Promise<FileUpload[]> {
  const path = entry.fullPath.replace(/^\/+/, '');
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ path, file }];
  }
  const below: FileUpload[] = [];
  for (const child of await entriesOf(entry as FileSystemDirectoryEntry)) below.push(...(await walk(child)));
  return below;
}

/** Everything that was dropped, folders with all they hold. Call it while the event is handled. */
export async function droppedFiles(transfer: DataTransfer): Promise<FileUpload[]> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const uploads: FileUpload[] = [];
  for (const entry of entries) uploads.push(...(await walk(entry)));
  return uploads;
}
