import { AppWindow, Files, Keyboard, SquareTerminal } from 'lucide-react';
import { CopyButton } from '../../ui/copy-button.tsx';
import { useWorkspace } from '../context.ts';
import { focusRegion } from '../regions.ts';

interface WelcomePaneProps {
  readonly onPreview: () => void;
  readonly onHelp: () => void;
}

/** What stands where the editor will be, until a file is opened. */
export function WelcomePane({ onPreview, onHelp }: WelcomePaneProps) {
  const { session } = useWorkspace();
  return (
    <section className="pane welcome" aria-label="Welcome" data-region="editor">
      <div className="welcome-body">
        <div>
          <p className="soft">{session.workshop.name}</p>
          <h2>
            Hello {session.name}, this is seat {session.seat}
          </h2>
        </div>
        <div className="welcome-columns">
          <ul className="welcome-list">
            <li>
              <button type="button" onClick={() => focusRegion('terminal')}>
                <SquareTerminal size={17} aria-hidden /> Type <code>claude</code> in the terminal
              </button>
            </li>
            <li>
              <button type="button" onClick={() => focusRegion('files')}>
                <Files size={17} aria-hidden /> Open a file, or drop some in
              </button>
            </li>
            <li>
              <button type="button" onClick={onPreview}>
                <AppWindow size={17} aria-hidden /> See your web server in the preview
              </button>
            </li>
            <li>
              <button type="button" onClick={onHelp}>
                <Keyboard size={17} aria-hidden /> Help and keyboard shortcuts
              </button>
            </li>
          </ul>
          <div className="welcome-code">
            <span className="soft small-text">Come back with this code</span>
            <div className="row">
              <code>{session.odehash}</code>
              <CopyButton text={session.odehash} what="return code" />
            </div>
            <span className="soft small-text">Same seat, same screen, same files, from any browser.</span>
          </div>
        </div>
      </div>
    </section>
  );
}
