import type { EntryPolicy } from '@clarateach/contract/entry';
import { ClipboardList, DoorOpen, UserCheck } from 'lucide-react';
import { useId } from 'react';
import { FieldGroup } from '../ui/field.tsx';

export const ENTRY = {
  open: { title: 'Open', text: 'Whoever has the join code', icon: DoorOpen },
  registered: {
    title: 'Registered',
    text: 'With an access code of their own',
    icon: UserCheck,
  },
  list: { title: 'My list', text: 'People you put on a list', icon: ClipboardList },
} as const satisfies Record<EntryPolicy, unknown>;

interface EntryChoiceProps {
  readonly chosen: EntryPolicy;
  readonly onChoose: (entry: EntryPolicy) => void;
}

export function EntryChoice({ chosen, onChoose }: EntryChoiceProps) {
  const name = useId();
  return (
    <FieldGroup legend="Who may come in" className="runtimes thirds">
      {(Object.keys(ENTRY) as EntryPolicy[]).map((entry) => {
        const { title, text, icon: Icon } = ENTRY[entry];
        return (
          <label key={entry} className="runtime">
            <input
              type="radio"
              name={name}
              value={entry}
              checked={chosen === entry}
              onChange={() => onChoose(entry)}
            />
            <span className="runtime-body">
              <span className="row">
                <Icon size={17} aria-hidden />
                <strong>{title}</strong>
              </span>
              <span className="isolation">{text}</span>
            </span>
          </label>
        );
      })}
    </FieldGroup>
  );
}
