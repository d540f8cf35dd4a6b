import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import type { SealedKey } from '../ipc';

const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

function bytes(list: number[]): ArrayBuffer {
  return new Uint8Array(list).buffer;
}

/** One half of a key pair that lives as long as this page; what is sealed for it nobody else reads (HPKE, RFC 9180). */
export class Recipient {
  readonly #keyPair = suite.kem.generateKeyPair();

  /** An uncompressed point of P-256: 65 bytes. */
  async publicKey(): Promise<number[]> {
    const { publicKey } = await this.#keyPair;
    return [...new Uint8Array(await suite.kem.serializePublicKey(publicKey))];
  }

  async unseal({ encapsulated, ciphertext }: SealedKey): Promise<string> {
    const { privateKey } = await this.#keyPair;
    const context = { recipientKey: privateKey, enc: bytes(encapsulated) };
    return new TextDecoder().decode(await suite.open(context, bytes(ciphertext)));
  }
}
