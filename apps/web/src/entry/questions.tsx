import type { Question } from '@clarateach/contract/entry';
import { MAX_QUESTIONS } from '@clarateach/contract/form-limits';
import { Plus, Trash2 } from 'lucide-react';
import { useId } from 'react';
import { FieldError, FieldGroup } from '../ui/field.tsx';
import { IconButton } from '../ui/icon-button.tsx';

/** A question with a key of its own, so that what is typed stays with it when another is removed. */
export interface DraftQuestion extends Question {
  readonly key: number;
}

interface QuestionsProps {
  readonly questions: readonly DraftQuestion[];
  readonly onChange: (questions: readonly DraftQuestion[]) => void;
  /** What is wrong with them together. */
  readonly error: string | undefined;
  readonly errorOf: (index: number) => string | undefined;
}

export function Questions({ questions, onChange, error, errorOf }: QuestionsProps) {
  const nextKey = Math.max(-1, ...questions.map(({ key }) => key)) + 1;
  return (
    <FieldGroup legend="Questions for whoever registers" className="questions" error={error}>
      {questions.map((question, index) => (
        <QuestionRow
          key={question.key}
          number={index + 1}
          question={question}
          error={errorOf(index)}
          onChange={(changed) => onChange(questions.map((each) => (each === question ? changed : each)))}
          onRemove={() => onChange(questions.filter((each) => each !== question))}
        />
      ))}
      <button
        type="button"
        className="button small"
        disabled={questions.length >= MAX_QUESTIONS}
        onClick={() => onChange([...questions, { key: nextKey, label: '', required: false }])}
      >
        <Plus size={15} aria-hidden /> Add a question
      </button>
    </FieldGroup>
  );
}

interface QuestionRowProps {
  readonly number: number;
  readonly question: DraftQuestion;
  readonly error: string | undefined;
  readonly onChange: (question: DraftQuestion) => void;
  readonly onRemove: () => void;
}

function QuestionRow({ number, question, error, onChange, onRemove }: QuestionRowProps) {
  const id = useId();
  return (
    <div className="question">
      <div className="row">
        <input
          className="input"
          aria-label={`Question ${number}`}
          aria-invalid={error !== undefined}
          aria-describedby={error === undefined ? undefined : id}
          placeholder="Your team"
          maxLength={100}
          value={question.label}
          onChange={(event) => onChange({ ...question, label: event.target.value })}
        />
        <label className="check">
          <input
            type="checkbox"
            checked={question.required}
            onChange={(event) => onChange({ ...question, required: event.target.checked })}
          />
          <span>required</span>
        </label>
        <IconButton icon={Trash2} label={`Remove question ${number}`} onClick={onRemove} />
      </div>
      <FieldError id={id} error={error} />
    </div>
  );
}
