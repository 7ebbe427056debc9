/** What the log's actions are called for people; a newer server's stay as they are. */
const ACTIONS: Readonly<Record<string, string>> = {
  'person.signed_in': 'Signed in',
  'person.signed_out': 'Signed out',
  'person.signed_up': 'Made an account',
  'person.role_changed': 'Changed a role',
  'person.disabled': 'Disabled an account',
  'person.enabled': 'Enabled an account',
  'person.removed': 'Removed an account',
  'password.reset': 'Reset their password',
  'address.confirmed': 'Confirmed their address',
  'session.ended': 'Ended a session of theirs',
  'session.others_ended': 'Ended their other sessions',
  'session.all_ended': 'Ended a person’s sessions',
  'invitation.made': 'Invited somebody',
  'invitation.sent_again': 'Sent an invitation again',
  'invitation.revoked': 'Took an invitation back',
  'invitation.accepted': 'Accepted an invitation',
  'account.changed': 'Changed their account',
  'token.created': 'Made an API token',
  'token.revoked': 'Revoked an API token',
  'workshop.created': 'Created a workshop',
  'workshop.started': 'Started a workshop',
  'workshop.stopped': 'Stopped a workshop',
  'workshop.extended': 'Moved the end of a workshop',
  'workshop.deleted': 'Deleted a workshop',
  'workshop.viewed': 'Looked at another’s workshop',
  'entry.changed': 'Changed who may come in',
  'co_instructor.added': 'Added a co-instructor',
  'co_instructor.removed': 'Took a co-instructor off',
  'registration.made': 'Registered',
  'registration.cancelled': 'Cancelled a registration',
  'registration.imported': 'Imported a list of learners',
  'registration.exported': 'Exported the list of learners',
  'registration.rotated': 'Gave a new access code',
  'registration.code_sent': 'Sent an access code again',
  'hand_over.made': 'Made a hand-over link',
  'hand_over.redeemed': 'Took a seat over by a link',
  'seat.restarted': 'Restarted a seat',
  'seat.reset': 'Reset a seat',
  'learner.joined': 'Joined',
  'learner.returned': 'Came back',
  'learner.removed': 'Removed a learner',
  'learner.let_back': 'Let a learner back in',
  'api_key.set': 'Gave a workshop an API key',
  'api_key.used': 'Handed the API key to the seats',
  'keys.signing_rotated': 'Rotated the signing key',
  'keys.signing_replaced': 'Ended the old signing keys',
  'keys.encryption_rotated': 'Rotated the encryption key',
  'keys.encryption_dropped': 'Dropped the old encryption key',
  'data.exported': 'Exported a person’s data',
  'data.deleted': 'Deleted a person’s data',
  'admin.viewed': 'Looked at an admin page',
};

/** What the filter offers; each is an action or the beginning of several. */
export const ACTION_GROUPS: readonly (readonly [value: string, text: string])[] = [
  ['', 'Everything'],
  ['person.', 'Signing in and out'],
  ['learner.', 'Learners: joins and removals'],
  ['registration.', 'Registrations'],
  ['hand_over.', 'Hand-overs of seats'],
  ['invitation.', 'Invitations'],
  ['session.', 'Ended sessions'],
  ['co_instructor.', 'Co-instructors'],
  ['workshop.', 'Workshops'],
  ['seat.', 'Seats'],
  ['api_key.', 'Instructors’ API keys'],
  ['token.', 'API tokens'],
  ['account.', 'Accounts'],
  ['keys.', 'Key rotations'],
  ['data.', 'Personal data'],
  ['admin.', 'Views by admins'],
];

const DETAILS: Readonly<Record<string, string>> = {
  way: 'by',
  why: 'because they were',
};

const WAYS: Readonly<Record<string, string>> = {
  'sign-in/email': 'password',
  link: 'one-time link',
  'link/open': 'mailed link',
  'callback/oidc': 'identity provider',
};

export function actionText(action: string): string {
  return ACTIONS[action] ?? action;
}

export function detailsText(details: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(details)
    .map(([name, value]) => {
      if (name === 'apiToken') return 'by API token';
      const text = name === 'page' ? String(value).replace(/^admin\./, '') : (WAYS[String(value)] ?? value);
      return `${DETAILS[name] ?? name} ${text}`;
    })
    .join(' · ');
}
