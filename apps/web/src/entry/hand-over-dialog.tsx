import type { SeatView } from '@clarateach/contract/workshop';
import { useMutation } from '@tanstack/react-query';
import { useEffect } from 'react';
import { messageOf } from '../api/api-error.ts';
import { client } from '../api/client.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Notice } from '../ui/notice.tsx';
import { QrCode } from '../ui/qr-code.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { clockTime } from '../ui/time.ts';
import './entry.css';

interface HandOverDialogProps {
  readonly id: string;
  readonly seat: SeatView;
  readonly onClose: () => void;
}

/** A one-time link for a learner who has lost browser and codes. */
export function HandOverDialog({ id, seat: { seat, learner }, onClose }: HandOverDialogProps) {
  const { mutate, data, error } = useMutation({
    mutationFn: () => client.entry.handOver({ id, seat }),
  });
  useEffect(() => mutate(), [mutate]);
  return (
    <Dialog
      open
      onOpenChange={(next) => !next && onClose()}
      title={`Hand over seat ${seat}`}
      description={`Give this link to ${learner?.name ?? 'the learner'}. It opens the seat, with its files, in another browser. The browser that has it now is shown out.`}
    >
      <div className="dialog-body stack">
        {error && <Notice tone="bad">{messageOf(error)}</Notice>}
        {!data && !error && <Waiting label="Making the link…" />}
        {data && (
          <>
            <div className="secret row">
              <code className="hand-over-link">{data.url}</code>
              <CopyButton text={data.url} what="link" />
            </div>
            <div className="qr-frame hand-over-qr">
              <QrCode text={data.url} label="QR code of the link" />
            </div>
            <p className="soft small-text">
              It works once, until {clockTime(data.expiresAt)}. Whoever opens it has the seat, so show it to
              nobody else.
            </p>
          </>
        )}
      </div>
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
