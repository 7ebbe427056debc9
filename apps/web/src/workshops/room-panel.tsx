import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { Projector, UsersRound } from 'lucide-react';
import { Link } from 'react-router';
import { paths } from '../paths.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { QrCode } from '../ui/qr-code.tsx';
import { spacedCode } from './spaced-code.ts';

const ENTRY_FACTS = {
  open: 'whoever has the code',
  registered: 'registered learners',
  list: 'people on your list',
} as const satisfies Record<WorkshopDetails['entry'], string>;

/** How learners come in: code, link, QR code. */
export function RoomPanel({ workshop }: { readonly workshop: WorkshopDetails }) {
  const { id, code, joinUrl, runtime, hasApiKey, injectApiKey, phase, entry } = workshop;
  return (
    <aside className="card room-panel" aria-label="How learners join">
      <div>
        <div className="row spread">
          <h2>Join code</h2>
          <CopyButton text={code} what="join code" />
        </div>
        <p className="join-code">{spacedCode(code)}</p>
        {phase === 'stopped' && (
          <p className="soft small-text">Learners can come in once the workshop is started.</p>
        )}
      </div>
      <div className="row join-link">
        <a href={joinUrl} target="_blank" rel="noreferrer">
          {joinUrl.replace(/^https?:\/\//, '')}
        </a>
        <CopyButton text={joinUrl} what="join link" />
      </div>
      <div className="qr-frame">
        <QrCode text={joinUrl} label="QR code of the join link" />
      </div>
      <Link className="button" to={paths.projector(id)}>
        <Projector size={17} aria-hidden /> Show to the room
      </Link>
      <Link className="button" to={paths.learners(id)}>
        <UsersRound size={17} aria-hidden /> Learners and entry
      </Link>
      <dl className="room-facts">
        <div>
          <dt>Who may come in</dt>
          <dd>{ENTRY_FACTS[entry]}</dd>
        </div>
        <div>
          <dt>Runs in</dt>
          <dd>{runtime}</dd>
        </div>
        <div>
          <dt>API key</dt>
          <dd>{!hasApiKey ? 'none' : injectApiKey ? 'in every seat' : 'kept, not in the seats'}</dd>
        </div>
        <div>
          <dt>Id</dt>
          <dd>
            <code>{id}</code>
          </dd>
        </div>
      </dl>
    </aside>
  );
}
