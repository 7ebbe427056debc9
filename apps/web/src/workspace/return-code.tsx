import { KeyRound } from 'lucide-react';
import { Popover } from 'radix-ui';
import { useId } from 'react';
import { CopyButton } from '../ui/copy-button.tsx';
import { useWorkspace } from './context.ts';

/** The learner's return code, and what it is good for. */
export function ReturnCode() {
  const { session, pass } = useWorkspace();
  const title = useId();
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <button type="button" className="status-item status-button">
          <KeyRound size={13} aria-hidden /> <span className="visually-hidden">Your return code: </span>
          <code>{session.odehash}</code>
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          aria-labelledby={title}
          className="popover"
          side="top"
          align="end"
          sideOffset={8}
          collisionPadding={12}
        >
          <div className="stack">
            <div>
              <h2 id={title}>Come back with this code</h2>
              <p className="soft small-text">
                From any browser: open the join page, type the join code <code>{pass.code}</code>, and this
                return code. It leads to the same seat, the same screen and the same files. Write it down.
              </p>
            </div>
            <div className="secret row">
              <code className="return-code-large">{session.odehash}</code>
              <CopyButton text={session.odehash} what="return code" />
            </div>
          </div>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
