import { Dialog } from '../ui/dialog.tsx';

const SHORTCUTS = [
  ['F6', 'Go to the next region: files, editor, terminal, preview, status. Also out of the terminal.'],
  ['Shift F6', 'Go to the region before'],
  ['Tab · Shift Tab', 'Out of the page in the preview, whose keys are its own'],
  ['Ctrl F6', 'Send F6 to the program in the terminal'],
  ['?', 'This help, outside of terminal and editor'],
  ['Ctrl S', 'Save the file in the editor'],
  ['Ctrl M', 'In the editor: let Tab move the focus instead of indenting'],
  ['F2 · Delete', 'In the files: rename · delete'],
  ['Ctrl Shift C · V', 'In the terminal: copy · paste. Hold Shift to select with the mouse inside tmux.'],
] as const;

interface HelpDialogProps {
  readonly onClose: () => void;
  readonly screenReader: boolean;
  readonly onScreenReader: (on: boolean) => void;
}

export function HelpDialog({ onClose, screenReader, onScreenReader }: HelpDialogProps) {
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Help"
      width="wide"
      description="Everything here can be reached with the keyboard. On a Mac, use Cmd in the editor where it says Ctrl."
    >
      <div className="dialog-body">
        <table className="shortcuts">
          <caption className="visually-hidden">Keyboard shortcuts</caption>
          <tbody>
            {SHORTCUTS.map(([keys, what]) => (
              <tr key={keys}>
                <th scope="row">
                  <kbd>{keys}</kbd>
                </th>
                <td>{what}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <label className="check help-check">
          <input
            type="checkbox"
            checked={screenReader}
            onChange={(event) => onScreenReader(event.target.checked)}
          />
          <span>
            Screen reader mode of the terminal
            <span className="soft"> — its lines are read aloud and can be walked through</span>
          </span>
        </label>
        <h2 className="help-title">Good to know</h2>
        <ul className="help-list soft">
          <li>
            Your shell goes on running when you close this page. Come back with the same browser or your
            return code.
          </li>
          <li>Start a web server on any port and open it with Preview.</li>
          <li>When the workshop ends, the seat and its files are gone: download your work before.</li>
        </ul>
      </div>
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
