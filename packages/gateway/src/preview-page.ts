import { randomBytes } from 'node:crypto';

/** What a browser is shown in place of a learner's page. */
export interface PreviewNotice {
  readonly status: number;
  readonly title: string;
  /** Sentences for the learner: what is so, and what to do. */
  readonly text: string;
  /** Set when the page waits for something: it asks this address and reloads when it says so. */
  readonly poll?: string;
}

const STYLE = `:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText;
font:16px/1.5 system-ui,sans-serif}
main{max-width:32rem;padding:2rem}
h1{font-size:1.25rem;margin:0 0 .5rem}
p{margin:0 0 .75rem}
.wait{opacity:.8;font-size:.9rem}`;

const script = (poll: string): string => `const again=()=>setTimeout(ask,1000);
const ask=()=>fetch(${JSON.stringify(poll)},{cache:'no-store'}).then((answer)=>answer.json())
.then((answer)=>{if(answer.listening)location.reload();else again()},again);
again();`;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The notice as a page of its own that loads nothing from anywhere. */
export function previewPage(notice: PreviewNotice): {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
} {
  const nonce = randomBytes(12).toString('base64');
  const waits =
    notice.poll === undefined
      ? ''
      : `<p class="wait" role="status">Waiting… this page reloads by itself.</p>
<noscript><p>Reload this page to look again.</p></noscript>
<script nonce="${nonce}">${script(notice.poll)}</script>`;
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(notice.title)}</title>
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(notice.title)}</h1>
<p>${escapeHtml(notice.text)}</p>
${waits}
</main>
</body>
</html>
`;
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'`;
  const headers = [
    'Content-Type',
    'text/html; charset=utf-8',
    'Cache-Control',
    'no-store',
    'Content-Security-Policy',
    policy,
    'Referrer-Policy',
    'no-referrer',
    'X-Content-Type-Options',
    'nosniff',
  ];
  return { status: notice.status, headers, body };
}
