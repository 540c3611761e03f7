import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';

const MOST_BYTES = 4096;
const OTHERS_MAY_READ = 0o077;

/**
 * A token or a secret address, without the line's end. No message says anything of what is in the file.
 * @param nameOrPath an absolute path, or the name of a systemd credential (LoadCredential=NAME:PATH)
 * @param credentialsDirectory where systemd puts them
 * @throws LifeboatError CONFIG where it is not there, or others may read or replace it
 */
export function readSecret(nameOrPath: string, credentialsDirectory = process.env.CREDENTIALS_DIRECTORY): string {
  const path = pathOf(nameOrPath, credentialsDirectory);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP')
      throw refuse(path, 'it is a symbolic link', 'name the file itself');
    throw fromSystem(error, 'read the secret', path);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw refuse(path, 'it is no file', 'name a file that holds nothing but the secret');
    if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
      throw refuse(path, `it belongs to user ${stats.uid}`, `chown root: "${path}" && chmod 600 "${path}"`);
    if ((stats.mode & OTHERS_MAY_READ) !== 0) throw refuse(path, 'others may read or write it', `chmod 600 "${path}"`);
    const bytes = Buffer.alloc(MOST_BYTES + 1);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    const secret = bytes.toString('utf8', 0, length).replace(/(\r?\n)+$/, '');
    // Also what Node would refuse to put into a header, in words that might hold it.
    if (length > MOST_BYTES || !/^[\x21-\x7e]+$/.test(secret))
      throw refuse(path, 'a secret is one line of visible ASCII characters', 'write only the secret into it');
    return secret;
  } catch (error) {
    throw fromSystem(error, 'read the secret', path);
  } finally {
    closeSync(fd);
  }
}

function pathOf(nameOrPath: string, credentialsDirectory: string | undefined): string {
  if (isAbsolute(nameOrPath)) return nameOrPath;
  if (!/^\w[\w.-]*$/.test(nameOrPath))
    throw refuse(nameOrPath, 'it is neither an absolute path nor the name of a credential', 'name it with its path');
  if (credentialsDirectory === undefined || !isAbsolute(credentialsDirectory))
    throw refuse(
      nameOrPath,
      'systemd has given this process no credentials',
      'add LoadCredential= to the service, or name the file with its absolute path',
    );
  return join(credentialsDirectory, nameOrPath);
}

function refuse(path: string, why: string, hint: string): LifeboatError {
  return new LifeboatError('CONFIG', `Cannot read the secret "${path}": ${why}`, { hint });
}
