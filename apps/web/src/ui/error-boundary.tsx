import type { ReactNode } from 'react';
import { Component } from 'react';
import { ErrorPage } from './error-page.tsx';

interface ErrorBoundaryProps {
  readonly children: ReactNode;
  /** Shown instead of a whole page, for a part whose failure leaves the rest usable. */
  readonly fallback?: ReactNode;
}

interface State {
  readonly error: unknown;
}

export class ErrorBoundary extends Component<ErrorBoundaryProps, State> {
  override state: State = { error: undefined };

  static getDerivedStateFromError(error: unknown): State {
    return { error };
  }

  override render(): ReactNode {
    const { children, fallback } = this.props;
    if (this.state.error === undefined) return children;
    return fallback ?? <ErrorPage error={this.state.error} />;
  }
}
