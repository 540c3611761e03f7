/** The service as it is installed, with a configuration, and node from where it lies in this machine. */
export async function installService(guest, { to }) {
  await guest.run(`set -e
    install -D -m 600 /dev/stdin /etc/lifeboat/config.toml <<'END'
[boot]
to = "${to}"
require-mount = "/mnt/target"
prune-backups = "keep-last=2"
END
    ln -sf /opt/lifeboat/bin/lifeboat /usr/local/sbin/lifeboat
    install -m 644 /opt/lifeboat/hooks/lifeboat.service /etc/systemd/system/
    install -D -m 644 /dev/stdin /etc/systemd/system/lifeboat.service.d/node.conf <<'END'
[Service]
Environment=PATH=/opt/lifeboat/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
END
    systemctl daemon-reload`);
}
