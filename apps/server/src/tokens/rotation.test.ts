import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { insertOwner } from '../testing/control-plane.ts';
import { openKeyring } from './keyring.ts';
import { dropOldSecrets, RotationRefused, rotateEncryption } from './rotation.ts';
import { openSealedSecrets } from './sealed-secrets.ts';
import { createSealing, type Sealing } from './sealing.ts';
import { createSeatTokens } from './seat-tokens.ts';
import { type SecretSource, secretSource } from './secret-source.ts';
import { openSigningKeys } from './signing-keys.ts';

const API_KEY = 'sk-ant-marker-of-this-test';
const WORKSHOP = 'ws-abcd2345' as WorkshopId;
const pause = async () => {};
const onError = (error: unknown) => assert.fail(String(error));

eachDatabase('rotating the encryption key', (open) => {
  let opened: TestDatabase;
  let directory: string;
  let source: SecretSource;

  beforeEach(async () => {
    opened = await open();
    directory = await mkdtemp(join(tmpdir(), 'clarateach-rotation-'));
    source = secretSource({ kind: 'file', path: join(directory, 'secret.key') });
    const sealing = await sealingNow();
    await openSealedSecrets(opened.database, sealing);
    await (await keysWith(sealing)).close();
    const ownerId = await insertOwner(opened.database, 'owner');
    await opened.database.db
      .insertInto('workshops')
      .values({
        id: WORKSHOP,
        code: 'ABCDEF',
        name: 'Shells',
        ownerId,
        runtime: 'local',
        image: null,
        apiKeySealed: sealing.seal('workshop-api-key', API_KEY),
        seatCount: 1,
        ttlMinutes: 60,
        wanted: 'stopped',
        createdAt: 1,
        startedAt: null,
        endsAt: null,
        revision: 1,
        leaseHolder: null,
        leaseUntil: null,
      })
      .execute();
  });
  afterEach(async () => {
    await opened.close();
    await rm(directory, { recursive: true, force: true });
  });

  const sealingNow = async (): Promise<Sealing> => {
    const secrets = await source.read();
    return createSealing(() => secrets);
  };
  const keysWith = (sealing: Sealing) =>
    openSigningKeys({ database: opened.database, sealing, now: Date.now, onError });

  /** All that a start needs, and what a seat is given: the same as ever. */
  const startsWell = async (sessions?: Buffer): Promise<Buffer> => {
    const sealing = await sealingNow();
    const secrets = await openSealedSecrets(opened.database, sealing);
    if (sessions) assert.deepEqual(secrets.sessions, sessions);
    const keys = await keysWith(sealing);
    keys.signer();
    await keys.close();
    const row = await opened.database.db
      .selectFrom('workshops')
      .select('apiKeySealed')
      .executeTakeFirstOrThrow();
    assert.equal(sealing.open('workshop-api-key', row.apiKeySealed ?? ''), API_KEY);
    return secrets.sessions;
  };

  test('seals everything anew, and then the old secret can go', async () => {
    const sessions = await startsWell();
    const [old] = await source.read();
    const { resealed, resumed } = await rotateEncryption({ database: opened.database, source, pause });
    assert.deepEqual([resealed, resumed], [5, false]);
    assert.deepEqual((await source.read()).slice(1), [old]);
    await startsWell(sessions);
    assert.equal(await dropOldSecrets({ database: opened.database, source }), 1);
    assert.equal((await source.read()).includes(old ?? ''), false);
    await startsWell(sessions);
    assert.equal(await dropOldSecrets({ database: opened.database, source }), 0);
  });

  for (const place of ['announce', 'switch', 'reseal', 'check'] as const) {
    test(`ended at the step "${place}" leaves what a start can read, and is finished by the next try`, async () => {
      const sessions = await startsWell();
      const dying = rotateEncryption({
        database: opened.database,
        source,
        pause,
        onStep(step) {
          if (step === place) throw new Error('killed');
        },
      });
      await assert.rejects(dying, /killed/);
      await startsWell(sessions);
      const { resumed } = await rotateEncryption({ database: opened.database, source, pause });
      assert.equal(resumed, place === 'reseal');
      await startsWell(sessions);
      await dropOldSecrets({ database: opened.database, source });
      assert.equal((await source.read()).length, 1);
      await startsWell(sessions);
    });
  }

  test('half-way through the rows keeps the old secret, which still opens the rest', async () => {
    const sessions = await startsWell();
    await assert.rejects(
      rotateEncryption({
        database: opened.database,
        source,
        pause,
        onStep(step) {
          if (step === 'reseal') throw new Error('killed');
        },
      }),
    );
    const sealing = await sealingNow();
    const { kid, privateKeySealed } = await opened.database.db
      .selectFrom('signingKeys')
      .selectAll()
      .executeTakeFirstOrThrow();
    await opened.database.db
      .updateTable('signingKeys')
      .set({ privateKeySealed: sealing.reseal('signing-key', privateKeySealed) })
      .where('kid', '=', kid)
      .execute();
    await startsWell(sessions);
    await assert.rejects(
      dropOldSecrets({ database: opened.database, source }),
      (error) => error instanceof RotationRefused && /4 secrets are still sealed/.test(error.message),
    );
    assert.equal((await source.read()).length, 2);
  });

  test('beside a running server: what it seals meanwhile is not lost, and no token of a learner', async () => {
    const keyring = await openKeyring({ source, onError });
    const sealing = createSealing(keyring.secrets);
    const keys = await keysWith(sealing);
    const tokens = createSeatTokens({ keys, now: Date.now });
    const { token } = await tokens.issue({
      workshop: { id: WORKSHOP },
      seat: 1,
      odehash: 'ABCDE234' as Odehash,
    });
    let sealedMeanwhile = 0;
    const { db } = opened.database;
    await rotateEncryption({
      database: opened.database,
      source,
      onStep: async () => {
        await db
          .updateTable('workshops')
          .set({ apiKeySealed: sealing.seal('workshop-api-key', API_KEY) })
          .execute();
        sealedMeanwhile++;
      },
    });
    assert.ok(sealedMeanwhile >= 4);
    assert.equal(await dropOldSecrets({ database: opened.database, source }), 1);
    await startsWell();
    assert.equal(tokens.verifyForRenewal(token).seat, 1);
    await keys.rotate();
    await keys.close();
    await keyring.close();
    await startsWell();
  });

  test('from the environment needs both secrets there, and says so', async () => {
    const [old = ''] = await source.read();
    const given = (...secrets: string[]) => secretSource({ kind: 'given', secrets });
    await assert.rejects(
      rotateEncryption({ database: opened.database, source: given(old), pause }),
      /WORKSPACE_TOKEN_SECRET_OLD/,
    );
    const next = 'the next secret of thirty-two characters';
    const { resealed } = await rotateEncryption({
      database: opened.database,
      source: given(next, old),
      pause,
    });
    assert.equal(resealed, 5);
    await assert.rejects(
      dropOldSecrets({ database: opened.database, source: given(next, old) }),
      /Nothing needs the old secret any more/,
    );
    assert.equal(await dropOldSecrets({ database: opened.database, source: given(next) }), 0);
  });
});
