import { readFile } from 'node:fs/promises';

/** Debian's list, with what the admin has added to /usr/local/share/ca-certificates. */
export const SYSTEM_CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Whom the system trusts, for many a server at home has a certificate of its own authority.
 * @returns undefined if there is no such list
 */
export async function readCertificates(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // Node has a list of its own for this; without ca-certificates there is no other.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
