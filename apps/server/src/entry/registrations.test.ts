import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CODE_ALPHABET, spacedAccessCode } from '@clarateach/contract/codes';
import type { EntryPolicy, RegistrationState } from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import { NOT_ANSWERED } from '@clarateach/contract/form-limits';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eachDatabase } from '../store/testing.ts';
import {
  type ControlPlane,
  controlPlane,
  eventually,
  openStage,
  type Stage,
} from '../testing/control-plane.ts';

eachDatabase('registration', (open, kind) => {
  let stage: Stage;
  let plane: ControlPlane;
  let owner: string;

  before(async () => {
    stage = await openStage(open);
    ({ plane, owner } = stage);
  });
  after(() => stage.close());

  const refused = (code: string, field?: string) => (error: unknown) =>
    error instanceof PublicError && error.code === code && error.field === field;

  const workshop = async (entry: EntryPolicy, more: { seats?: number; registrationCap?: number } = {}) => {
    const { id, code } = await plane.workshops.create(owner, { name: 'Shells', seats: 2, entry, ...more });
    return { id, code };
  };
  const started = async (id: WorkshopId) => {
    await plane.workshops.start(owner, id);
    assert.equal((await plane.workshops.settled(owner, id, AbortSignal.timeout(10_000))).phase, 'ready');
  };
  const states = async (id: WorkshopId): Promise<[string, RegistrationState, number | null][]> => {
    const { registrations } = await plane.registrations.list(owner, id);
    return registrations.map(({ name, state, place }) => [name, state, place]);
  };
  const idOf = async (id: WorkshopId, name: string): Promise<string> => {
    const { registrations } = await plane.registrations.list(owner, id);
    return registrations.find((each) => each.name === name)?.id ?? '';
  };

  test('an access code is given before the workshop starts and leads always to one seat', async () => {
    const { id, code } = await workshop('registered');
    const { accessCode, state, joinUrl } = await plane.registrations.register({ code, name: 'Ada' });
    assert.match(accessCode, new RegExp(`^[${CODE_ALPHABET}]{10}$`));
    assert.deepEqual([state, joinUrl], ['confirmed', `http://localhost:8080/join/${accessCode}`]);
    await assert.rejects(plane.join.join({ code: accessCode, name: 'Ada' }), refused('workshop_not_running'));
    await started(id);
    const first = await plane.join.join({ code: accessCode, name: 'Ada' });
    const typed = ` ${spacedAccessCode(accessCode).toLowerCase().replace('-', ' – ')} `;
    // Another browser that had another seat keeps a return code of its own, which does not matter here.
    const again = await plane.join.join({ code: typed, name: 'Ada', odehash: 'ABCDE234' as Odehash });
    assert.deepEqual([again.seat, again.odehash, again.returning], [first.seat, first.odehash, true]);
    const [row] = (await plane.registrations.list(owner, id)).registrations;
    assert.deepEqual([row?.seat, row?.cameAt !== null], [first.seat, true]);
  });

  test('the learner keeps the seat of the access code also by the return code, and the seat only once', async () => {
    const { id, code } = await workshop('registered', { seats: 3 });
    const { accessCode } = await plane.registrations.register({ code, name: 'Ada' });
    await started(id);
    const claims = await Promise.all([1, 2, 3].map(() => plane.join.join({ code: accessCode, name: 'Ada' })));
    assert.equal(new Set(claims.map(({ seat }) => seat)).size, 1);
    const odehash = claims[0]?.odehash as Odehash;
    assert.equal((await plane.join.join({ code, name: 'Ada', odehash })).seat, claims[0]?.seat);
  });

  test('each way in is open to whom the workshop says, and tells the others what to do', async () => {
    const { id, code } = await workshop('registered', { seats: 5 });
    const self = await plane.registrations.register({ code, name: 'Self' });
    await plane.registrations.import(owner, id, { csv: 'Listed,' });
    const listed = (await plane.registrations.list(owner, id)).registrations.find(
      ({ source }) => source === 'list',
    );
    await started(id);
    const join = (typed: string) => plane.join.join({ code: typed, name: 'X' });
    await assert.rejects(join(code), refused('registration_required'));
    await join(self.accessCode);

    const settings = { registrationCap: null, questions: [] };
    await plane.registrations.configure(owner, id, { ...settings, entry: 'list' });
    await assert.rejects(join(code), refused('registration_required'));
    await assert.rejects(join(self.accessCode), refused('registration_required'));
    await assert.rejects(plane.registrations.register({ code, name: 'Y' }), refused('registration_closed'));
    await join(listed?.accessCode ?? '');
    assert.equal((await plane.join.info(self.accessCode)).registration?.admitted, false);
    assert.equal((await plane.join.info(code)).entry, 'list');

    await plane.registrations.configure(owner, id, { ...settings, entry: 'open' });
    await join(code);
    assert.equal((await join(self.accessCode)).returning, true);
  });

  test('what is asked has to be answered, and nothing else is kept', async () => {
    const { id, code } = await workshop('registered');
    await plane.registrations.configure(owner, id, {
      entry: 'registered',
      registrationCap: null,
      questions: [
        { label: 'Team', required: true },
        { label: 'Diet', required: false },
        { label: 'City', required: true },
      ],
    });
    const register = (answers?: Record<string, string>) =>
      plane.registrations.register({ code, name: 'Ada', answers });
    const unanswered = (...labels: string[]) => ({
      field: `answers.${labels[0]}`,
      problems:
        labels.length > 1
          ? labels.map((label) => ({ field: `answers.${label}`, message: NOT_ANSWERED }))
          : [],
    });
    await assert.rejects(register(), unanswered('Team', 'City'));
    await assert.rejects(register({ Team: '', City: 'Ghent' }), unanswered('Team'));
    await assert.rejects(register({ Team: 'A', Admin: 'yes' }), refused('invalid_input', 'answers.Admin'));
    await register({ Team: 'Blue', Diet: '', City: 'Ghent' });
    const { registrations } = await plane.registrations.list(owner, id);
    assert.deepEqual(
      registrations.map(({ answers }) => answers),
      [{ Team: 'Blue', City: 'Ghent' }],
    );
  });

  test('one address registers once, and again after it was cancelled', async () => {
    const { id, code } = await workshop('registered');
    const register = () => plane.registrations.register({ code, name: 'Ada', email: 'ada@example.org' });
    await register();
    await assert.rejects(register(), refused('already_exists', 'email'));
    await plane.registrations.cancel(owner, id, await idOf(id, 'Ada'));
    await register();
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () =>
        plane.registrations.register({ code, name: 'Bob', email: 'bob@example.org' }),
      ),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  test('the waiting list moves up by itself when somebody cancels and when the cap is raised', async () => {
    const { id, code } = await workshop('registered', { registrationCap: 1 });
    const codes: Record<string, string> = {};
    for (const name of ['Ada', 'Bob', 'Cy', 'Di']) {
      const made = await plane.registrations.register({
        code,
        name,
        email: `${name.toLowerCase()}@example.org`,
      });
      codes[name] = made.accessCode;
    }
    assert.deepEqual(await states(id), [
      ['Ada', 'confirmed', null],
      ['Bob', 'waiting', 1],
      ['Cy', 'waiting', 2],
      ['Di', 'waiting', 3],
    ]);
    await started(id);
    await assert.rejects(
      plane.join.join({ code: codes.Cy ?? '', name: 'Cy' }),
      (error: unknown) => refused('on_waiting_list')(error) && /number 2/.test((error as Error).message),
    );
    assert.equal((await plane.join.info(codes.Di ?? '')).registration?.place, 3);

    plane.mails.length = 0;
    await plane.registrations.cancelOwn(codes.Ada ?? '');
    await plane.registrations.configure(owner, id, {
      entry: 'registered',
      registrationCap: 2,
      questions: [],
    });
    assert.deepEqual(await states(id), [
      ['Ada', 'cancelled', null],
      ['Bob', 'confirmed', null],
      ['Cy', 'confirmed', null],
      ['Di', 'waiting', 1],
    ]);
    assert.deepEqual(
      plane.mails.map(({ to, subject }) => [to, subject]),
      [
        ['bob@example.org', 'You have a place: Shells'],
        ['cy@example.org', 'You have a place: Shells'],
      ],
    );
    await plane.join.join({ code: codes.Cy ?? '', name: 'Cy' });
    await assert.rejects(
      plane.join.join({ code: codes.Ada ?? '', name: 'Ada' }),
      refused('registration_required'),
    );
    await plane.registrations.configure(owner, id, {
      entry: 'registered',
      registrationCap: null,
      questions: [],
    });
    assert.deepEqual((await states(id)).at(-1), ['Di', 'confirmed', null]);
  });

  test(`60 that register at once through ${kind === 'sqlite' ? 'one server' : 'two servers'} never exceed the cap, also while others cancel`, async () => {
    const { id, code } = await workshop('registered', { registrationCap: 20 });
    const second =
      kind === 'postgresql'
        ? await controlPlane({
            database: stage.opened.again(),
            provider: instantProvider(),
            server: 'server-2',
          })
        : plane;
    try {
      const made = await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          (index % 2 ? plane : second).registrations.register({ code, name: `Learner ${index}` }),
        ),
      );
      const confirmed = made.filter(({ state }) => state === 'confirmed');
      assert.equal(confirmed.length, 20);
      // Ten leave while ten come: ten of those who waited have moved up, and nobody of those who came later.
      await Promise.all([
        ...confirmed.slice(0, 10).map(({ accessCode }) => second.registrations.cancelOwn(accessCode)),
        ...Array.from({ length: 10 }, (_, index) =>
          plane.registrations.register({ code, name: `Later ${index}` }),
        ),
      ]);
      const all = await states(id);
      assert.equal(all.filter(([, state]) => state === 'confirmed').length, 20);
      assert.ok(all.every(([name, state]) => !name.startsWith('Later') || state === 'waiting'));
      const waiting = all.flatMap(([, , place]) => place ?? []);
      assert.deepEqual(
        waiting,
        waiting.map((_, index) => index + 1),
      );
    } finally {
      if (second !== plane) await second.close();
    }
  });

  test('an import names the wrong lines and takes nothing, or all but them', async () => {
    const { id } = await workshop('list');
    const csv = 'name,email\nAda,ada@example.org\nBob,nowhere\nAda again,ada@example.org\n';
    const strict = await plane.registrations.import(owner, id, { csv });
    assert.deepEqual([strict.imported, strict.problems.map(({ line }) => line)], [0, [3, 4]]);
    assert.deepEqual(await states(id), []);
    const lenient = await plane.registrations.import(owner, id, { csv, skipWrong: true });
    assert.deepEqual([lenient.imported, lenient.problems.length], [1, 2]);
    const again = await plane.registrations.import(owner, id, { csv: 'Ada,ada@example.org' });
    assert.match(again.problems[0]?.problem ?? '', /registered already/);
    await eventually(() => plane.mails.some(({ to }) => to === 'ada@example.org'));
    assert.match((await plane.registrations.export(owner, id)).csv, /Ada,ada@example\.org,/);
  });

  test('a rotated access code takes the place of the old one and keeps the seat', async () => {
    const { id, code } = await workshop('registered');
    const { accessCode } = await plane.registrations.register({ code, name: 'Ada' });
    await started(id);
    const { seat } = await plane.join.join({ code: accessCode, name: 'Ada' });
    const { registration } = await plane.registrations.rotate(owner, id, await idOf(id, 'Ada'));
    await assert.rejects(plane.join.join({ code: accessCode, name: 'Ada' }), refused('unknown_code'));
    const again = await plane.join.join({ code: registration.accessCode, name: 'Ada' });
    assert.deepEqual([again.seat, again.returning], [seat, true]);
  });

  test('a code is sent again only where there is an address', async () => {
    const { id, code } = await workshop('registered');
    await plane.registrations.register({ code, name: 'Ada', email: 'ada@example.org' });
    await plane.registrations.register({ code, name: 'Bob' });
    plane.mails.length = 0;
    await plane.registrations.resend(owner, id, await idOf(id, 'Ada'));
    assert.equal(plane.mails.length, 1);
    await assert.rejects(plane.registrations.resend(owner, id, await idOf(id, 'Bob')), refused('conflict'));
  });

  test('a registration goes with its workshop', async () => {
    const { id, code } = await workshop('registered');
    const { accessCode } = await plane.registrations.register({ code, name: 'Ada' });
    await plane.workshops.delete(owner, id);
    await eventually(() => plane.join.info(accessCode).then(() => false, refused('unknown_code')));
    await assert.rejects(plane.registrations.register({ code, name: 'Bob' }), refused('unknown_code'));
  });

  test('the seats get the API key only where the workshop says so', async () => {
    const shown = async (injectApiKey?: boolean) => {
      const { id } = await plane.workshops.create(owner, {
        name: 'Keys',
        seats: 1,
        apiKey: 'sk-12345678',
        injectApiKey,
      });
      const details = await plane.workshops.show(owner, id);
      return [details.hasApiKey, details.injectApiKey];
    };
    assert.deepEqual(await shown(), [true, false]);
    assert.deepEqual(await shown(false), [true, false]);
    assert.deepEqual(await shown(true), [true, true]);
  });
});
