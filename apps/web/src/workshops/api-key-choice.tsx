import { TriangleAlert } from 'lucide-react';
import { useId } from 'react';

interface ApiKeyChoiceProps {
  readonly inject: boolean;
  readonly onChoose: (inject: boolean) => void;
}

/** Whether the seats get the key, and what that means, in plain words. */
export function ApiKeyChoice({ inject, onChoose }: ApiKeyChoiceProps) {
  const id = useId();
  return (
    <div className="key-choice">
      <label className="check" htmlFor={id}>
        <input
          id={id}
          type="checkbox"
          checked={inject}
          aria-describedby={`${id}-meaning`}
          onChange={(event) => onChoose(event.target.checked)}
        />
        <span>Put the key into every seat</span>
      </label>
      <p id={`${id}-meaning`} className="hint key-warning" role="status">
        {inject ? (
          <>
            <TriangleAlert size={15} aria-hidden />
            <span>
              <strong>Every learner can read and copy this key.</strong> They can use it after the class, at
              your cost. Take one with a spending limit, and revoke it when the class is over.
            </span>
          </>
        ) : (
          <span className="soft">
            The key stays with the server. The assistant in the seats has no key then, and learners bring
            their own.
          </span>
        )}
      </p>
    </div>
  );
}
