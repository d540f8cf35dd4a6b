import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { expect, it } from 'vitest';
import { Recipient } from './unseal';

it('opens what was sealed for it, and nothing else', async () => {
  const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipient = new Recipient();
  const publicKey = await recipient.publicKey();
  expect(publicKey).toHaveLength(65);
  const key = await suite.kem.deserializePublicKey(new Uint8Array(publicKey).buffer);
  const { enc, ct } = await suite.seal({ recipientPublicKey: key }, new TextEncoder().encode('ul_secret').buffer);
  const sealed = { encapsulated: [...new Uint8Array(enc)], ciphertext: [...new Uint8Array(ct)] };
  expect(await recipient.unseal(sealed)).toBe('ul_secret');
  await expect(new Recipient().unseal(sealed)).rejects.toThrow();
});
