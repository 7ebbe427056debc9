const URL_ALONE = /^https?:\/\/\S+$/;
/** A value with its name, such as an access code. */
const NAMED = /^([A-Z][a-z ]{1,24}): (\S+)$/;

const SANS = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif";
const MONO = "font-family:ui-monospace,Menlo,Consolas,'Courier New',monospace";

/** What a mail program shows in its dark mode, where it lets a mail choose. */
const DARK = `@media (prefers-color-scheme: dark) {
  .page { background: #14181b !important; }
  .card { background: #1b2024 !important; border-color: #2d353b !important; }
  .card, .title { color: #e7ebed !important; }
  .soft { color: #a3aeb5 !important; }
  .box { background: #0f1214 !important; }
  .link { color: #5ac8bc !important; }
  .button { background: #5ac8bc !important; color: #062422 !important; }
}`;

/**
 * The same mail for programs that show HTML, made of its plain text: a paragraph that is a link becomes a
 * button with the address below it, a named value stands by itself. Nothing in it is loaded from anywhere.
 */
export function mailHtml(mail: { readonly subject: string; readonly text: string }): string {
  const paragraphs = mail.text
    .trim()
    .split(/\n{2,}/)
    .map(paragraph);
  const subject = escaped(mail.subject);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${subject}</title>
<style>${DARK}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f6f5f1">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#f6f5f1">
<tr><td align="center" style="padding:32px 16px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:520px">
<tr><td class="card" style="padding:32px;border:1px solid #e1ded5;border-radius:14px;background:#ffffff;color:#1d2429;${SANS};font-size:16px;line-height:1.55;text-align:left">
<h1 class="title" style="margin:0 0 18px;color:#1d2429;font-size:22px;line-height:1.25">${subject}</h1>
${paragraphs.join('\n')}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

function paragraph(text: string): string {
  if (URL_ALONE.test(text)) return link('Open the link', text);
  const [, name = '', value = ''] = NAMED.exec(text) ?? [];
  if (URL_ALONE.test(value)) return link(`Open the ${name.toLowerCase()}`, value);
  if (value !== '') {
    return `<p class="box" style="margin:0 0 16px;padding:14px 18px;border-radius:8px;background:#eeece5"><span class="soft" style="color:#555f66;font-size:14px">${escaped(name)}:</span><br><strong style="${MONO};font-size:22px;letter-spacing:2px">${escaped(value)}</strong></p>`;
  }
  // An address within a sentence stays text: people choose names that stand in sentences.
  return `<p style="margin:0 0 16px">${escaped(text).replaceAll('\n', '<br>')}</p>`;
}

/** The address is shown, so that people see where they are led and can copy it. */
function link(label: string, url: string): string {
  const address = escaped(url);
  return `<p style="margin:22px 0 10px"><a class="button" href="${address}" style="display:inline-block;padding:13px 24px;border-radius:8px;background:#0d6b66;color:#ffffff;font-weight:600;text-decoration:none">${escaped(label)}</a></p>
<p style="margin:0 0 22px;font-size:13px;overflow-wrap:anywhere;word-break:break-word"><a class="link" href="${address}" style="color:#0d6b66">${address}</a></p>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
