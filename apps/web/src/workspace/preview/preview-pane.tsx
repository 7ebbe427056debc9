import { AppWindow, ExternalLink, RotateCw, X } from 'lucide-react';
import type { FormEvent } from 'react';
import { useEffect, useRef, useState } from 'react';
import { messageOf } from '../../api/api-error.ts';
import { IconButton } from '../../ui/icon-button.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Waiting } from '../../ui/spinner.tsx';
import { toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { previewUrl } from './seat-preview.ts';
import { usePorts } from './use-ports.ts';

/** A shown port. `round` counts reloads: a new one is a new frame with a new ticket. */
interface Shown {
  readonly port: number;
  readonly round: number;
}

export function PreviewPane({ onClose }: { readonly onClose: () => void }) {
  const { pass } = useWorkspace();
  const ports = usePorts();
  const [typed, setTyped] = useState('');
  const [shown, setShown] = useState<Shown>();
  const [url, setUrl] = useState<string>();
  const [error, setError] = useState<string>();
  const chosen = useRef(false);

  const show = (port: number) => {
    chosen.current = true;
    setTyped(String(port));
    setShown((before) => ({ port, round: (before?.round ?? 0) + 1 }));
  };

  useEffect(() => {
    // The only server there is, is the one meant.
    const [only] = ports;
    if (chosen.current || ports.length !== 1 || only === undefined) return;
    chosen.current = true;
    setTyped(String(only));
    setShown({ port: only, round: 0 });
  }, [ports]);

  useEffect(() => {
    if (!shown) return;
    let current = true;
    setUrl(undefined);
    setError(undefined);
    previewUrl(pass, shown.port).then(
      (address) => current && setUrl(address),
      (caught: unknown) => current && setError(messageOf(caught)),
    );
    return () => {
      current = false;
    };
  }, [pass, shown]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const port = Number(typed);
    if (Number.isInteger(port) && port >= 1 && port <= 65535) show(port);
    else setError('A port is a number from 1 to 65535.');
  };
  const openOutside = () => {
    if (!shown) return;
    // Opened before the address is known: a window opened later counts as a pop-up.
    const tab = window.open('about:blank', '_blank');
    previewUrl(pass, shown.port).then(
      (address) => {
        if (!tab) return;
        tab.opener = null;
        tab.location.href = address;
      },
      (caught: unknown) => {
        tab?.close();
        toastError(caught);
      },
    );
  };

  return (
    <section className="pane preview-pane" aria-label="Preview" data-region="preview">
      <header className="pane-head">
        <h2>
          <AppWindow size={15} aria-hidden /> Preview
        </h2>
        <div className="pane-tools">
          <IconButton
            size="small"
            icon={RotateCw}
            label="Reload the preview"
            disabled={!shown}
            onClick={() => shown && show(shown.port)}
          />
          <IconButton
            size="small"
            icon={ExternalLink}
            label="Open the preview in a new tab"
            disabled={!shown}
            onClick={openOutside}
          />
          <IconButton size="small" icon={X} label="Close the preview" onClick={onClose} />
        </div>
      </header>
      <form className="preview-bar" onSubmit={submit}>
        <label>
          Port
          <input
            className="input"
            inputMode="numeric"
            placeholder="8000"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <button type="submit" className="button small">
          Show
        </button>
        <fieldset className="ports" aria-label="Ports that something listens on">
          {ports.map((port) => (
            <button
              key={port}
              type="button"
              className="port"
              aria-pressed={shown?.port === port}
              onClick={() => show(port)}
            >
              {port}
            </button>
          ))}
        </fieldset>
      </form>
      {error !== undefined && (
        <div className="preview-error">
          <Notice tone="bad">{error}</Notice>
        </div>
      )}
      {shown === undefined && error === undefined && <NoServer />}
      {shown !== undefined && url === undefined && error === undefined && (
        <Waiting label="Opening the preview…" />
      )}
      {shown !== undefined && url !== undefined && (
        <iframe
          key={`${shown.port}-${shown.round}`}
          className="preview-frame"
          title={`Preview of port ${shown.port}`}
          src={url}
          allow="clipboard-write; fullscreen"
        />
      )}
    </section>
  );
}

function NoServer() {
  return (
    <div className="other-file">
      <AppWindow size={34} strokeWidth={1.5} aria-hidden />
      <h2>Nothing to show yet</h2>
      <p className="soft">
        Start a web server in the terminal, and its port appears above. For example:
        <br />
        <code>python3 -m http.server 8000</code>
      </p>
    </div>
  );
}
