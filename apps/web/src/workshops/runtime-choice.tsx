import type { Health } from '@clarateach/contract/health';
import type { RuntimeInfo, RuntimeName } from '@clarateach/contract/runtime';
import { Box, Cpu, ShieldAlert, Terminal } from 'lucide-react';
import { useId } from 'react';
import { FieldGroup } from '../ui/field.tsx';

const NAMES = {
  local: { title: 'Local', icon: Terminal },
  docker: { title: 'Docker', icon: Box },
  firecracker: { title: 'MicroVM', icon: Cpu },
} as const satisfies Record<RuntimeName, unknown>;

const ISOLATION = {
  process: 'Processes of this machine: for people you trust',
  container: 'A container for each seat',
  vm: 'A virtual machine for each seat',
} as const satisfies Record<RuntimeInfo['isolation'], string>;

interface RuntimeChoiceProps {
  readonly health: Health | undefined;
  readonly failed: boolean;
  readonly chosen: RuntimeName | undefined;
  readonly onChoose: (runtime: RuntimeName) => void;
  readonly error: string | undefined;
}

export function RuntimeChoice({ health, failed, chosen, onChoose, error }: RuntimeChoiceProps) {
  const name = useId();
  const current = chosen ?? health?.defaultRuntime;
  return (
    <FieldGroup legend="Runs in" className="runtimes" error={error}>
      {failed && (
        <p className="soft small-text">The server does not say what it can run; its default will be used.</p>
      )}
      {health === undefined && !failed && <div className="skeleton" style={{ height: 76, flex: 1 }} />}
      {health?.runtimes.map((runtime) => {
        const { title, icon: Icon } = NAMES[runtime.name];
        const trusted = runtime.isolation === 'process';
        return (
          <label key={runtime.name} className={`runtime ${runtime.ok ? '' : 'unavailable'}`}>
            <input
              type="radio"
              name={name}
              value={runtime.name}
              checked={current === runtime.name}
              disabled={!runtime.ok}
              onChange={() => onChoose(runtime.name)}
            />
            <span className="runtime-body">
              <span className="row">
                <Icon size={17} aria-hidden />
                <strong>{title}</strong>
                {!runtime.ok && <span className="badge">not available</span>}
              </span>
              <span className={trusted ? 'isolation trusted' : 'isolation'}>
                {trusted && <ShieldAlert size={14} aria-hidden />}
                {ISOLATION[runtime.isolation]}
              </span>
              {runtime.note !== '' && <span className="soft runtime-note">{runtime.note}</span>}
            </span>
          </label>
        );
      })}
    </FieldGroup>
  );
}
