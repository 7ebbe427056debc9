import type { ReactNode } from 'react';
import { Component } from 'react';
import { ApiError } from '../api/api-error.ts';
import { ErrorPage } from './error-page.tsx';
import { forgetFailures } from './lazy-component.ts';

interface ErrorBoundaryProps {
  readonly children: ReactNode;
  /** Shown instead of a whole page, for a part whose failure leaves the rest usable. `retry` shows the part again. */
  readonly fallback?: (error: unknown, retry: () => void) => ReactNode;
  readonly onError?: (error: unknown) => void;
}

interface State {
  readonly failed: { readonly error: unknown } | undefined;
}

export class ErrorBoundary extends Component<ErrorBoundaryProps, State> {
  override state: State = { failed: undefined };

  static getDerivedStateFromError(error: unknown): State {
    return { failed: { error } };
  }

  override componentDidCatch(error: unknown): void {
    forgetFailures();
    this.props.onError?.(error);
  }

  readonly #retry = () => this.setState({ failed: undefined });

  override render(): ReactNode {
    const { children, fallback } = this.props;
    const { failed } = this.state;
    if (failed === undefined) return children;
    if (fallback) return fallback(failed.error, this.#retry);
    return isUnreached(failed.error) ? (
      <ErrorPage error={failed.error} onRetry={this.#retry} />
    ) : (
      <ErrorPage error={failed.error} />
    );
  }
}

/** Whether code or an answer did not come, which another try may mend. */
export function isUnreached(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'offline';
}
