# shellcheck shell=sh disable=SC2154  # N, MARK, LIFE and WANT are set before it
# Writes one marked line into the journal and one through a container, for `fleetctl verify`. Each line of the answer: the
# word before it, what is told, its text. The container ends by itself.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
tell() { printf '%s %s %s\n' "$N" "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

through_the_journal() {
  if has systemd-cat && printf '%s\n' "$MARK-journal" | systemd-cat -t fleetctl-verify 2>/dev/null; then
    tell sent journal
  elif has logger && logger -t fleetctl-verify -- "$MARK-journal" 2>/dev/null; then
    tell sent journal
  else
    tell failed "journal neither systemd-cat nor logger could write to it"
  fi
}

through_a_container() {
  if ! has docker; then
    tell skipped "containers there is no docker command"
    return
  fi
  sudo=
  if ! docker version >/dev/null 2>&1; then
    sudo='sudo -n'
    if ! $sudo docker version >/dev/null 2>&1; then
      tell skipped "containers Docker does not answer this user"
      return
    fi
  fi
  for image in $($sudo docker image ls -q 2>/dev/null | sort -u | head -n 8); do
    $sudo docker run --detach --rm --pull never --network none --cap-drop ALL --user 65534:65534 --memory 64m \
      --no-healthcheck --name "$MARK" --entrypoint /bin/sh "$image" -c "echo $MARK-containers; exec sleep $LIFE" >/dev/null 2>&1 || continue
    tell sent containers
    return
  done
  tell skipped "containers no image on the host has a shell that could write a line"
}

tell node "$(uname -n)"
case " $WANT " in *' journal '*) through_the_journal ;; esac
case " $WANT " in *' containers '*) through_a_container ;; esac
tell end .
