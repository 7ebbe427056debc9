import { ArrowLeft, Maximize } from 'lucide-react';
import { Link, useParams } from 'react-router';
import { paths } from '../paths.ts';
import { SignedIn } from '../shell/instructor-page.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { QrCode } from '../ui/qr-code.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';
import { countSeats } from './live-state.ts';
import { spacedCode } from './spaced-code.ts';
import { useLiveWorkshop } from './use-live-workshop.ts';
import './workshops.css';

/** Code and QR code, readable from the last row. */
export function ProjectorPage() {
  const { id = '' } = useParams();
  return <SignedIn>{() => <Projection id={id} />}</SignedIn>;
}

function Projection({ id }: { readonly id: string }) {
  const { data: workshop, error, refetch } = useLiveWorkshop(id);
  if (error && !workshop) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  if (!workshop) return <Waiting label="Loading the workshop…" />;
  const { ready, occupied, total } = countSeats(workshop);
  const site = new URL(workshop.joinUrl);
  return (
    <main className="projector">
      <title>{`${workshop.name} · ClaraTeach`}</title>
      <header>
        <Link className="icon-button" to={paths.workshop(id)} aria-label="Back to the workshop">
          <ArrowLeft size={22} aria-hidden />
        </Link>
        <div className="row">
          <ThemeToggle />
          <IconButton
            label="Full screen"
            icon={Maximize}
            onClick={() => void document.documentElement.requestFullscreen?.()}
          />
        </div>
      </header>
      <h1>{workshop.name}</h1>
      <div className="projector-body">
        <div className="projector-words">
          <p className="soft">Go to</p>
          <p className="projector-site">{`${site.host}/join`}</p>
          <p className="soft">and type</p>
          <p className="projector-code">{spacedCode(workshop.code)}</p>
        </div>
        <div className="qr-frame">
          <QrCode text={workshop.joinUrl} label="QR code of the join link" />
        </div>
      </div>
      <p className="projector-seats soft" aria-live="polite">
        {ready < total ? `${ready} of ${total} seats ready` : `${occupied} of ${total} seats taken`}
      </p>
    </main>
  );
}
