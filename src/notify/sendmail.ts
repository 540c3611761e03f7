import { randomUUID } from 'node:crypto';
import { runCommand } from '../device/command.js';
import { LifeboatError } from '../error.js';
import { encodeMail, recipientsOf } from './mail.js';
import { bodyOf, titleOf } from './message.js';
import type { RunEvent } from './run-event.js';
import type { MailTarget } from './target.js';

export const SENDMAIL = '/usr/sbin/sendmail';
const MOST_BODY_BYTES = 100_000;

/**
 * Hands a mail to the host's mail server. To root it becomes an event of Proxmox's own notification system, which
 * forwards what local root gets.
 * @param program takes sendmail's arguments
 * @throws LifeboatError where it is not there or does not take the mail; the signal's reason
 */
export async function sendMail(
  target: MailTarget,
  event: RunEvent,
  { program, signal }: { program: string; signal: AbortSignal },
): Promise<void> {
  const to = recipientsOf(target.to);
  const mail = encodeMail({
    to,
    title: titleOf(event),
    body: bodyOf(event, MOST_BODY_BYTES),
    host: event.host,
    date: new Date(),
    id: randomUUID(),
  });
  // -oi: a line with nothing but a dot is no end. The recipients are arguments, not what a header may say.
  const sent = await runCommand(program, ['-oi', '--', ...to], {
    input: mail,
    signal,
    ownGroup: true,
    allowMissing: true,
  });
  if (sent === undefined)
    throw new LifeboatError('FAILED', `Cannot send mail to "${to.join(', ')}": there is no ${program}`, {
      hint: 'apt install postfix, or choose another type of notification',
    });
}
