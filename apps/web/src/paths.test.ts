import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paths, returnPath } from './paths.ts';

test('every path is the one that links and bookmarks rely on', () => {
  assert.deepEqual(
    {
      home: paths.home(),
      workshop: paths.workshop('ws-abcd1234'),
      projector: paths.projector('ws-abcd1234'),
      learners: paths.learners('ws-abcd1234'),
      register: paths.register('ABCDEF'),
      signIn: paths.signIn(),
      signInWithReturn: paths.signIn('/workshops/ws-abcd1234'),
      signUp: paths.signUp(),
      forgotten: paths.forgotten(),
      provider: paths.provider('/account?a=1'),
      people: paths.people(),
      account: paths.account(),
      tokens: paths.tokens(),
      workers: paths.workers(),
      audit: paths.audit(),
      join: paths.join(),
      joinWithCode: paths.join('AB CD'),
      workspace: paths.workspace('ws-abcd1234'),
    },
    {
      home: '/',
      workshop: '/workshops/ws-abcd1234',
      projector: '/workshops/ws-abcd1234/projector',
      learners: '/workshops/ws-abcd1234/learners',
      register: '/register/ABCDEF',
      signIn: '/sign-in',
      signInWithReturn: '/sign-in?next=%2Fworkshops%2Fws-abcd1234',
      signUp: '/sign-up',
      forgotten: '/forgotten',
      provider: '/api/auth/provider?next=%2Faccount%3Fa%3D1',
      people: '/people',
      account: '/account',
      tokens: '/account/tokens',
      workers: '/workers',
      audit: '/admin/audit',
      join: '/join',
      joinWithCode: '/join/AB%20CD',
      workspace: '/w/ws-abcd1234',
    },
  );
});

test('a return path stays on this site', () => {
  assert.equal(returnPath('/workshops/ws-abcd1234'), '/workshops/ws-abcd1234');
  assert.equal(returnPath('/account?tab=1'), '/account?tab=1');
  for (const foreign of [
    '//evil.example',
    'https://evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'javascript:alert(1)',
  ]) {
    assert.equal(returnPath(foreign), '/', foreign);
  }
  assert.equal(returnPath(null), '/');
});
