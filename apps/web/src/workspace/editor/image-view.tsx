import { useEffect, useState } from 'react';
import { nameOf } from '../files/file-path.ts';
import type { OpenFile } from './open-file.ts';

export function ImageView({ file }: { readonly file: Extract<OpenFile, { kind: 'image' }> }) {
  const [url, setUrl] = useState<string>();
  const { bytes, mime, path } = file;
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([bytes], { type: mime }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes, mime]);
  return <div className="image-view">{url !== undefined && <img src={url} alt={nameOf(path)} />}</div>;
}
