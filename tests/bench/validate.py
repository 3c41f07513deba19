#!/usr/bin/env python3
"""What it costs to check a configuration of 10,000 lines: validate.py AGENT [FILE]

The configuration is made here: the teams of a large estate, each with files, containers, a journal, syslog and metrics of its own,
different in names, paths and expressions. Prints the instructions (callgrind, where it is installed) and the CPU time of
`fleet-agent validate` and of `fleet-agent version`, which is the start of the program alone. With FILE it writes the configuration
there and ends. Nothing depends on the figures.
"""
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

LINES = 10_000
RUNS = 40
LEVELS = ["debug", "info", "notice", "warn", "error", "fatal"]


def team(n):
    """One team's part: about 130 lines."""
    port = 2000 + n
    levels = "|".join(LEVELS[n % 3:])
    return f"""
// Team {n}: its web servers write files, its services run in containers.
local.file_match "team{n}" {{
  path_targets = [
    {{ "__path__" = "/srv/team{n}/log/*.log", "job" = "team{n}", "kind" = "access" }},
    {{ "__path__" = "/srv/team{n}/log/error/*.log", "job" = "team{n}", "kind" = "error" }},
  ]
  sync_period = "10s"
}}

loki.source.file "team{n}" {{
  targets       = local.file_match.team{n}.targets
  forward_to    = [loki.process.team{n}.receiver]
  tail_from_end = true
}}

loki.process "team{n}" {{
  forward_to = [loki.write.default.receiver]

  stage.match {{
    selector = "{{job=\\"team{n}\\", kind=\\"access\\"}}"

    stage.regex {{
      expression = `^(?P<client>\\S+) \\S+ (?P<user{n % 7}>\\S+) \\[(?P<time>[^\\]]+)\\] "(?P<method>\\w+) (?P<path>\\S*) [^"]*" (?P<status>\\d{{3}})`
    }}

    stage.timestamp {{
      source = "time"
      format = "02/Jan/2006:15:04:05 -0700"
    }}

    stage.labels {{
      values = {{
        method = "",
        status = "",
      }}
    }}
  }}

  stage.match {{
    selector = "{{job=\\"team{n}\\", kind=\\"error\\"}} |~ \\"({levels})\\""

    stage.multiline {{
      firstline     = `^\\d{{4}}-\\d{{2}}-\\d{{2}}`
      max_wait_time = "3s"
    }}

    stage.drop {{
      older_than          = "{24 + n % 3}h"
      drop_counter_reason = "old"
    }}
  }}

  stage.template {{
    source   = "level"
    template = "{{{{ ToLower .level }}}}"
  }}

  stage.static_labels {{
    values = {{
      team        = "team{n}",
      environment = coalesce(sys.env("TEAM{n}_ENVIRONMENT"), "production"),
    }}
  }}
}}

discovery.docker "team{n}" {{
  host             = "unix:///var/run/docker.sock"
  refresh_interval = "{5 + n % 5}s"

  filter {{
    name   = "label"
    values = [string.format("com.example.team=%s", "team{n}")]
  }}
}}

discovery.relabel "team{n}" {{
  targets = discovery.docker.team{n}.targets

  rule {{
    source_labels = ["__meta_docker_container_name"]
    regex         = "/(.*)"
    target_label  = "container"
  }}

  rule {{
    source_labels = ["__meta_docker_container_label_com_docker_compose_service"]
    regex         = "(team{n}-.+)"
    target_label  = "service"
  }}

  rule {{
    source_labels = ["__meta_docker_container_log_stream", "container"]
    separator     = "/"
    regex         = "std(out|err)/(.+)"
    target_label  = "stream"
    replacement   = "$1"
  }}

  rule {{
    source_labels = ["__meta_docker_port_private"]
    regex         = "{9000 + n}"
    action        = "keep"
  }}
}}

loki.source.syslog "team{n}" {{
  forward_to    = [loki.write.default.receiver]
  relabel_rules = loki.relabel.team{n}.rules

  listener {{
    address  = "0.0.0.0:{port}"
    protocol = "tcp"
    labels   = {{ job = "syslog", team = "team{n}" }}
  }}
}}

loki.relabel "team{n}" {{
  forward_to = []

  rule {{
    source_labels = ["__syslog_message_hostname"]
    target_label  = "host"
  }}

  rule {{
    source_labels = ["__syslog_message_severity"]
    regex         = "({levels})"
    target_label  = "level"
  }}
}}

prometheus.scrape "team{n}" {{
  targets         = discovery.relabel.team{n}.output
  forward_to      = [prometheus.relabel.team{n}.receiver]
  scrape_interval = "{15 * (1 + n % 4)}s"
  job_name        = "team{n}"
}}

prometheus.relabel "team{n}" {{
  forward_to = [prometheus.remote_write.default.receiver]

  rule {{
    source_labels = ["__name__"]
    regex         = "(go|python|jvm{n % 10})_.*"
    action        = "drop"
  }}

  rule {{
    target_label = "team"
    replacement  = "team{n}"
  }}
}}
"""


def configuration():
    text = """logging {
  level = "info"
}

loki.write "default" {
  endpoint {
    url = "http://loki.example:3100/loki/api/v1/push"
  }
}

prometheus.remote_write "default" {
  endpoint {
    url = "http://prometheus.example:9090/api/v1/write"
  }
}
"""
    lines, n = text.count("\n"), 0
    while lines < LINES:
        part = team(n)
        text, lines, n = text + part, lines + part.count("\n"), n + 1
    return text


def cpu_ms(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime), 1000 * (after.ru_stime - before.ru_stime)


def instructions(command):
    with tempfile.NamedTemporaryFile() as out:
        told = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", *command], check=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    return int(re.search(r"Collected : (\d+)", told)[1])


def main(agent, file=None):
    text = configuration()
    if file:
        pathlib.Path(file).write_text(text)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "config.alloy")
        path.write_text(text)
        for name, command in {"validate": [agent, "validate", path], "version": [agent, "version"]}.items():
            user, system = zip(*(cpu_ms(command) for _ in range(RUNS)))
            counted = f"{instructions(command) / 1e6:6.1f} M instructions, " if shutil.which("valgrind") else ""
            print(f"{name:9} {counted}user: least {min(user):5.1f} ms, median {statistics.median(user):5.1f} ms; "
                  f"with the kernel's: least {min(map(sum, zip(user, system))):5.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
