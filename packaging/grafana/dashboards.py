#!/usr/bin/python3
"""dashboards.py write | check: Grafana dashboards for what fleet-agent delivers, as NAME.json beside this file.

This file is their source: a dashboard is a list of rows, a row a list of panels, a panel its PromQL (or LogQL). Everything
else that Grafana wants - ids, places, units, variables - is filled in here once. `check` says which files are stale.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WIDTH = 24  # Grafana's grid

PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
LOKI = {"type": "loki", "uid": "${loki}"}


class Panel:
    """title; queries as (expression, legend); unit in Grafana's words."""

    def __init__(self, title, *queries, unit="short", kind="timeseries", width=8, height=8, says="", source=PROMETHEUS,
                 stacked=False, red_from=None, columns=None):
        self.title, self.queries, self.unit, self.kind, self.width, self.height = title, queries, unit, kind, width, height
        self.says, self.source, self.stacked, self.red_from, self.columns = says, source, stacked, red_from, columns

    def json(self, number, x, y):
        instant = self.kind in ("stat", "table")
        targets = []
        for letter, (expression, legend) in zip("ABCDEFGHIJ", self.queries):
            target = {"refId": letter, "datasource": self.source, "expr": expression, "legendFormat": legend,
                      "editorMode": "code"}
            if self.source is PROMETHEUS:
                target |= {"instant": instant, "range": not instant, "format": "table" if self.kind == "table" else "time_series"}
            else:
                target |= {"queryType": "range"}
            targets.append(target)
        defaults = {"unit": self.unit, "color": {"mode": "palette-classic"}, "custom": {}}
        if self.red_from is not None:  # green below this value
            defaults["color"] = {"mode": "thresholds"}
            defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": "green", "value": None},
                                                                   {"color": "red", "value": self.red_from}]}
        panel = {"id": number, "title": self.title, "description": self.says, "type": self.kind, "datasource": self.source,
                 "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height}, "targets": targets,
                 "fieldConfig": {"defaults": defaults, "overrides": []}, "options": {}}
        if self.kind == "timeseries":
            defaults["min"] = 0
            defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if self.stacked else 5,
                                  "showPoints": "never", "spanNulls": False,
                                  "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"}}
            panel["options"] = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                                           "calcs": ["lastNotNull", "max"]},
                                "tooltip": {"mode": "multi", "sort": "desc"}}
        elif self.kind == "stat":
            panel["options"] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                                "colorMode": "background" if self.red_from is not None else "value", "graphMode": "none"}
        elif self.kind == "logs":
            panel["options"] = {"showTime": True, "wrapLogMessage": True, "sortOrder": "Descending",
                                "enableLogDetails": True, "dedupStrategy": "none"}
            panel["fieldConfig"]["defaults"] = {}
        elif self.kind == "table":  # one row for each value of the labels that the queries share, one column for each query
            names = {f"Value #{letter}" if len(self.queries) > 1 else "Value": name
                     for letter, (name, _) in zip("ABCDEFGHIJ", self.columns)}
            panel["transformations"] = [{"id": "merge", "options": {}},
                                        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}}]
            panel["fieldConfig"]["overrides"] = [
                {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}
                for name, unit in self.columns]
            panel["options"] = {"showHeader": True, "sortBy": [{"displayName": self.columns[0][0], "desc": True}]}
        return panel


def source_variable(kind):
    return {"name": kind, "label": kind.capitalize(), "type": "datasource", "query": kind, "refresh": 1, "hide": 0,
            "includeAll": False, "multi": False, "regex": "", "options": []}


def choice(name, query, label=None):
    """A variable whose values Prometheus knows; any number of them may be chosen."""
    return {"name": name, "label": label or name.capitalize(), "type": "query", "datasource": PROMETHEUS,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "hide": 0, "regex": "", "includeAll": True,
            "allValue": ".*", "multi": True, "options": [], "current": {"text": ["All"], "value": ["$__all"]}}


def text_box(name, label):
    return {"name": name, "label": label, "type": "textbox", "query": "", "hide": 0, "options": [],
            "current": {"text": "", "value": ""}}


def dashboard(uid, title, says, variables, rows):
    panels, number, y = [], 1, 0
    for row_title, row in rows:
        panels.append({"id": number, "title": row_title, "type": "row", "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        number, y, x, tallest = number + 1, y + 1, 0, 0
        for panel in row:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panels.append(panel.json(number, x, y))
            number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
        y += tallest
    return {"uid": uid, "title": title, "description": says, "tags": ["fleet-agent"], "schemaVersion": 39, "version": 1,
            "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "fiscalYearStartMonth": 0,
            "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "annotations": {"list": []},
            "links": [{"title": "Fleet", "type": "dashboards", "tags": ["fleet-agent"], "asDropdown": True,
                       "keepTime": True, "includeVars": True, "targetBlank": False, "icon": "external link", "url": "",
                       "tooltip": ""}],
            "templating": {"list": variables}, "panels": panels}


# What a rate looks back over: at least four scrapes, as Grafana knows them.
RATE = "[$__rate_interval]"
# The hosts that are chosen.
HOST = 'job=~"$job", instance=~"$instance"'


def of_jobs_with(metric):
    """Variables for the data source, the job and the host, of what has this metric."""
    return [source_variable("prometheus"), choice("job", f"label_values({metric}, job)"),
            choice("instance", f'label_values({metric}{{job=~"$job"}}, instance)', "Host")]


def hosts():
    disk = f'{HOST}, fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|fuse.lxcfs"'
    wire = f'{HOST}, device!~"lo|veth.*|docker.*|br-.*"'
    return dashboard("fleet-hosts", "Fleet: hosts", "What prometheus.exporter.unix tells of each host.", of_jobs_with("node_uname_info"), [
        ("All hosts", [
            Panel("At a glance",
                  (f"max by (instance) (node_load1{{{HOST}}})", ""),
                  (f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{HOST}, mode="idle"}}{RATE}))', ""),
                  (f"1 - max by (instance) (node_memory_MemAvailable_bytes{{{HOST}}} / node_memory_MemTotal_bytes{{{HOST}}})", ""),
                  (f"max by (instance) (1 - node_filesystem_avail_bytes{{{disk}}} / node_filesystem_size_bytes{{{disk}}})", ""),
                  (f"max by (instance) (time() - node_boot_time_seconds{{{HOST}}})", ""),
                  kind="table", width=24, says="The load of a minute, and the fullest file system.",
                  columns=[("Load", "short"), ("CPU busy", "percentunit"), ("Memory in use", "percentunit"),
                           ("Fullest file system", "percentunit"), ("Up for", "s")]),
        ]),
        ("Processor", [
            Panel("CPU busy", (f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{HOST}, mode="idle"}}{RATE}))', "{{instance}}"),
                  unit="percentunit"),
            Panel("CPU by mode", (f'sum by (instance, mode) (rate(node_cpu_seconds_total{{{HOST}, mode!="idle"}}{RATE}))',
                                  "{{instance}} {{mode}}"), unit="short", stacked=True, says="Cores."),
            Panel("Load", (f"node_load1{{{HOST}}}", "{{instance}} 1 min"), (f"node_load15{{{HOST}}}", "{{instance}} 15 min")),
            Panel("Pressure", (f"rate(node_pressure_cpu_waiting_seconds_total{{{HOST}}}{RATE})", "{{instance}} CPU"),
                  (f"rate(node_pressure_io_waiting_seconds_total{{{HOST}}}{RATE})", "{{instance}} IO"),
                  (f"rate(node_pressure_memory_waiting_seconds_total{{{HOST}}}{RATE})", "{{instance}} memory"),
                  unit="percentunit", says="Share of the time in which some process had to wait."),
            Panel("Processes", (f"node_procs_running{{{HOST}}}", "{{instance}} running"),
                  (f"node_procs_blocked{{{HOST}}}", "{{instance}} blocked"), says="Blocked: waiting for a disk."),
            Panel("Context switches and new processes", (f"rate(node_context_switches_total{{{HOST}}}{RATE})", "{{instance}} switches"),
                  (f"rate(node_forks_total{{{HOST}}}{RATE})", "{{instance}} new processes"), unit="cps"),
        ]),
        ("Memory", [
            Panel("In use", (f"1 - node_memory_MemAvailable_bytes{{{HOST}}} / node_memory_MemTotal_bytes{{{HOST}}}", "{{instance}}"),
                  unit="percentunit"),
            Panel("Available", (f"node_memory_MemAvailable_bytes{{{HOST}}}", "{{instance}} available"),
                  (f"node_memory_Cached_bytes{{{HOST}}} + node_memory_Buffers_bytes{{{HOST}}}", "{{instance}} cache"), unit="bytes"),
            Panel("Swap in use", (f"node_memory_SwapTotal_bytes{{{HOST}}} - node_memory_SwapFree_bytes{{{HOST}}}", "{{instance}}"),
                  unit="bytes"),
            Panel("Pages read back from disk", (f"rate(node_vmstat_pgmajfault{{{HOST}}}{RATE})", "{{instance}}"), unit="cps",
                  width=12),
            Panel("Processes killed for want of memory", (f"increase(node_vmstat_oom_kill{{{HOST}}}{RATE})", "{{instance}}"), width=12,
                  says="In an Incus or LXC container this counts the machine's."),
        ]),
        ("Disks", [
            Panel("File systems in use", (f"1 - node_filesystem_avail_bytes{{{disk}}} / node_filesystem_size_bytes{{{disk}}}",
                                          "{{instance}} {{mountpoint}}"), unit="percentunit"),
            Panel("Room", (f"node_filesystem_avail_bytes{{{disk}}}", "{{instance}} {{mountpoint}}"), unit="bytes"),
            Panel("Inodes in use", (f"1 - node_filesystem_files_free{{{disk}}} / (node_filesystem_files{{{disk}}} > 0)",
                                    "{{instance}} {{mountpoint}}"), unit="percentunit"),
            Panel("Read", (f"rate(node_disk_read_bytes_total{{{HOST}}}{RATE})", "{{instance}} {{device}}"), unit="Bps"),
            Panel("Written", (f"rate(node_disk_written_bytes_total{{{HOST}}}{RATE})", "{{instance}} {{device}}"), unit="Bps"),
            Panel("Busy", (f"rate(node_disk_io_time_seconds_total{{{HOST}}}{RATE})", "{{instance}} {{device}}"), unit="percentunit",
                  says="The node_disk_ series need the collector diskstats, which is left out in containers."),
        ]),
        ("Network", [
            Panel("Received", (f"rate(node_network_receive_bytes_total{{{wire}}}{RATE}) * 8", "{{instance}} {{device}}"), unit="bps"),
            Panel("Sent", (f"rate(node_network_transmit_bytes_total{{{wire}}}{RATE}) * 8", "{{instance}} {{device}}"), unit="bps"),
            Panel("Errors and drops",
                  (f"rate(node_network_receive_errs_total{{{wire}}}{RATE}) + rate(node_network_receive_drop_total{{{wire}}}{RATE})",
                   "{{instance}} {{device}} in"),
                  (f"rate(node_network_transmit_errs_total{{{wire}}}{RATE}) + rate(node_network_transmit_drop_total{{{wire}}}{RATE})",
                   "{{instance}} {{device}} out"), unit="pps"),
            Panel("TCP connections", (f"node_netstat_Tcp_CurrEstab{{{HOST}}}", "{{instance}} established"),
                  (f"node_sockstat_TCP_tw{{{HOST}}}", "{{instance}} waiting to end")),
            Panel("TCP segments sent again", (f"rate(node_netstat_Tcp_RetransSegs{{{HOST}}}{RATE})", "{{instance}}"), unit="pps"),
            Panel("UDP datagrams lost here", (f"rate(node_netstat_Udp_RcvbufErrors{{{HOST}}}{RATE})", "{{instance}} buffer full"),
                  (f"rate(node_netstat_Udp_InErrors{{{HOST}}}{RATE})", "{{instance}} all errors"), unit="pps",
                  says="A syslog listener on UDP that is behind shows here."),
        ]),
        ("The exporter", [
            Panel("Collectors that fail", (f"count by (instance, collector) (node_scrape_collector_success{{{HOST}}} == 0)",
                                           "{{instance}} {{collector}}"), width=12, says="Empty is good."),
            Panel("Time of a scrape", (f"scrape_duration_seconds{{{HOST}}}", "{{instance}}"), unit="s", width=12),
        ]),
    ])


def processes():
    group = f'{HOST}, groupname=~"$group"'

    def top(expression):
        return f"topk(10, {expression})"
    name = "{{instance}} {{groupname}}"
    return dashboard(
        "fleet-processes", "Fleet: processes", "What prometheus.exporter.process tells of each group of processes.",
        of_jobs_with("namedprocess_namegroup_num_procs")
        + [choice("group", 'label_values(namedprocess_namegroup_num_procs{job=~"$job", instance=~"$instance"}, groupname)', "Process")], [
            ("Top ten", [
                Panel("CPU", (top(f"sum by (instance, groupname) (rate(namedprocess_namegroup_cpu_seconds_total{{{group}}}{RATE}))"), name),
                      width=12, says="Cores."),
                Panel("Resident memory", (top(f'namedprocess_namegroup_memory_bytes{{{group}, memtype="resident"}}'), name),
                      unit="bytes", width=12),
                Panel("Read from disk", (top(f"rate(namedprocess_namegroup_read_bytes_total{{{group}}}{RATE})"), name), unit="Bps",
                      says="Of other users' processes only where the agent has CAP_SYS_PTRACE."),
                Panel("Written to disk", (top(f"rate(namedprocess_namegroup_write_bytes_total{{{group}}}{RATE})"), name), unit="Bps"),
                Panel("Open files", (top(f"namedprocess_namegroup_open_filedesc{{{group}}}"), name),
                      says="Of other users' processes only from Linux 6.2 on, or with CAP_SYS_PTRACE."),
            ]),
            ("Groups", [
                Panel("Processes", (f"namedprocess_namegroup_num_procs{{{group}}}", name)),
                Panel("Threads", (f"namedprocess_namegroup_num_threads{{{group}}}", name)),
                Panel("States", (f"sum by (instance, state) (namedprocess_namegroup_states{{{group}}})", "{{instance}} {{state}}"), stacked=True),
                Panel("Nearest to its limit of files", (top(f"namedprocess_namegroup_worst_fd_ratio{{{group}}}"), name), unit="percentunit"),
                Panel("Pages read back from disk", (top(f"rate(namedprocess_namegroup_major_page_faults_total{{{group}}}{RATE})"), name), unit="cps"),
                Panel("Oldest process", (f"time() - (namedprocess_namegroup_oldest_start_time_seconds{{{group}}} > 0)", name), unit="s",
                      says="Falls when the oldest process of a group was replaced."),
            ]),
        ])


def containers():
    # Groups of processes that are no containers have no name.
    one = f'{HOST}, name=~"$container", name!=""'
    name = "{{instance}} {{name}}"
    return dashboard(
        "fleet-containers", "Fleet: containers", "What prometheus.exporter.cadvisor tells of each container.",
        of_jobs_with("container_last_seen")
        + [choice("container", 'label_values(container_last_seen{job=~"$job", instance=~"$instance", name!=""}, name)')], [
            ("All containers", [
                Panel("At a glance",
                      (f"sum by (instance, name) (rate(container_cpu_usage_seconds_total{{{one}}}{RATE}))", ""),
                      (f"max by (instance, name) (container_memory_working_set_bytes{{{one}}})", ""),
                      (f"max by (instance, name) (time() - container_start_time_seconds{{{one}}})", ""),
                      kind="table", width=24, columns=[("CPU cores", "short"), ("Memory", "bytes"), ("Up for", "s")]),
            ]),
            ("CPU and memory", [
                Panel("CPU", (f"sum by (instance, name) (rate(container_cpu_usage_seconds_total{{{one}}}{RATE}))", name), says="Cores."),
                Panel("Held back by its CPU limit",
                      (f"sum by (instance, name) (rate(container_cpu_cfs_throttled_periods_total{{{one}}}{RATE})) / "
                       f"sum by (instance, name) (rate(container_cpu_cfs_periods_total{{{one}}}{RATE}) > 0)", name), unit="percentunit",
                      says="Share of the periods; only containers with a limit."),
                Panel("Memory in use", (f"max by (instance, name) (container_memory_working_set_bytes{{{one}}})", name), unit="bytes",
                      says="Without cache that can be given back: what the limit is held against."),
                Panel("Share of the memory limit", (f"container_memory_working_set_bytes{{{one}}} / "
                                                    f"(container_spec_memory_limit_bytes{{{one}}} > 0)", name), unit="percentunit",
                      says="Only containers with a limit."),
                Panel("Killed for want of memory", (f"increase(container_oom_events_total{{{one}}}{RATE})", name)),
                Panel("Starts", (f"changes(max by (instance, name) (container_start_time_seconds{{{one}}})[15m:15s])", name), says="In a quarter of an hour."),
            ]),
            ("Disk and network", [
                Panel("Read", (f"sum by (instance, name) (rate(container_fs_reads_bytes_total{{{one}}}{RATE}))", name), unit="Bps"),
                Panel("Written", (f"sum by (instance, name) (rate(container_fs_writes_bytes_total{{{one}}}{RATE}))", name), unit="Bps"),
                Panel("Disk space", (f"sum by (instance, name) (container_fs_usage_bytes{{{one}}})", name), unit="bytes"),
                Panel("Received", (f"sum by (instance, name) (rate(container_network_receive_bytes_total{{{one}}}{RATE})) * 8", name),
                      unit="bps", width=12),
                Panel("Sent", (f"sum by (instance, name) (rate(container_network_transmit_bytes_total{{{one}}}{RATE})) * 8", name),
                      unit="bps", width=12),
            ]),
        ])


def agent():
    of = "{{instance}} {{component_id}}"
    waits = ("loki_write_queued_bytes|loki_source_file_backlog_bytes|loki_source_(syslog|api)_queue_bytes|"
             "prometheus_remote_storage_queue_bytes")
    remote = "prometheus_remote_storage"
    return dashboard("fleet-agent", "Fleet: the agent", "How the agents are, from their own metrics (prometheus.exporter.self).",
                     of_jobs_with("alloy_build_info"), [
        ("Now", [
            Panel("Agents", (f"count(group by (instance) (alloy_build_info{{{HOST}}}))", ""), kind="stat", width=4, height=4),
            Panel("Components not healthy", (f'sum(alloy_component_controller_running_components{{{HOST}, health_type="unhealthy"}})', ""),
                  kind="stat", width=4, height=4, red_from=1, says="The page / of the agent names them."),
            Panel("Configurations refused", (f"count(alloy_config_last_load_successful{{{HOST}}} == 0) or vector(0)", ""), kind="stat",
                  width=4, height=4, red_from=1),
            Panel("Log lines dropped in an hour", (f"sum(increase(loki_write_dropped_entries_total{{{HOST}}}[1h]))", ""), kind="stat", width=4,
                  height=4, red_from=1),
            Panel("Samples lost in an hour",
                  (f"sum(increase({remote}_samples_failed_total{{{HOST}}}[1h])) + sum(increase({remote}_samples_lost_total{{{HOST}}}[1h]))", ""),
                  kind="stat", width=4, height=4, red_from=1),
            Panel("Journal entries missing in an hour",
                  (f"sum(increase(loki_source_journal_target_missing_entries_total{{{HOST}}}[1h]))", ""), kind="stat", width=4, height=4, red_from=1),
            Panel("Versions", (f"count by (instance, version) (alloy_build_info{{{HOST}}})", ""), kind="table", width=12,
                  columns=[("Agents", "short")]),
            Panel("Components", (f"sum by (instance, health_type) (alloy_component_controller_running_components{{{HOST}}})",
                                 "{{instance}} {{health_type}}"), width=12),
        ]),
        ("What it costs", [
            Panel("CPU", (f"rate(process_cpu_seconds_total{{{HOST}}}{RATE})", "{{instance}}"), unit="percentunit", says="Of one core."),
            Panel("Resident memory", (f"process_resident_memory_bytes{{{HOST}}}", "{{instance}}"), unit="bytes"),
            Panel("Open files", (f"process_open_fds{{{HOST}}}", "{{instance}}")),
        ]),
        ("What waits", [
            Panel("Bytes that wait", (f'{{__name__=~"{waits}", {HOST}}}', of), unit="bytes", width=12,
                  says="In memory and on disk, and in files that are not read to their end."),
            Panel("Delay of lines", (f"histogram_quantile(0.99, sum by (instance, component_id, le) "
                                     f"(rate(loki_write_entry_propagation_latency_seconds_bucket{{{HOST}}}{RATE})))", of + " 99 of 100"),
                  unit="s", width=6, says="From a line's arrival in loki.write until Loki had it."),
            Panel("Delay of samples", (f"{remote}_queue_highest_timestamp_seconds{{{HOST}}} - "
                                       f"({remote}_queue_highest_sent_timestamp_seconds{{{HOST}}} > 0)", "{{instance}} {{url}}"), unit="s", width=6),
            Panel("Tries", (f"rate(loki_write_batch_retries_total{{{HOST}}}{RATE})", of + " pushes"),
                  (f"rate({remote}_samples_retried_total{{{HOST}}}{RATE})", of + " samples"), unit="cps", width=12),
            Panel("Age of the oldest line of a file", (f"loki_source_file_oldest_unsent_seconds{{{HOST}}}", of), unit="s", width=12),
        ]),
        ("Logs", [
            Panel("Lines delivered", (f"sum by (instance, component_id) (rate(loki_write_sent_entries_total{{{HOST}}}{RATE}))", of), unit="cps"),
            Panel("Bytes delivered", (f"sum by (instance, component_id) (rate(loki_write_sent_bytes_total{{{HOST}}}{RATE}))", of), unit="Bps"),
            Panel("Lines dropped", (f"sum by (instance, component_id, reason) (rate(loki_write_dropped_entries_total{{{HOST}}}{RATE}))",
                                    of + " {{reason}}"), unit="cps"),
            Panel("Answers of Loki", (f"sum by (instance, status_code) (rate(loki_write_request_duration_seconds_count{{{HOST}}}{RATE}))",
                                      "{{instance}} {{status_code}}"), unit="reqps", width=12, says="-1: no answer."),
            Panel("Time of a push", (f"histogram_quantile(0.99, sum by (instance, component_id, le) "
                                     f"(rate(loki_write_request_duration_seconds_bucket{{{HOST}}}{RATE})))", of + " 99 of 100"), unit="s", width=12),
        ]),
        ("Metrics", [
            Panel("Samples delivered", (f"rate({remote}_samples_total{{{HOST}}}{RATE})", "{{instance}} {{url}}"), unit="cps"),
            Panel("Samples that wait", (f"{remote}_samples_pending{{{HOST}}}", "{{instance}} {{url}}")),
            Panel("Samples dropped", (f"rate({remote}_samples_failed_total{{{HOST}}}{RATE})", "{{instance}} refused"),
                  (f"rate({remote}_samples_lost_total{{{HOST}}}{RATE})", "{{instance}} lost on disk"),
                  (f"rate({remote}_samples_dropped_total{{{HOST}}}{RATE})", "{{instance}} {{reason}}"), unit="cps"),
            Panel("Targets", ('sum by (instance, job) (up{instance=~"$instance"})', "{{instance}} {{job}}"), says="0: the scrape failed."),
            Panel("Samples of a scrape", ('scrape_samples_scraped{instance=~"$instance"}', "{{instance}} {{job}}")),
            Panel("Time of a remote write", (f"histogram_quantile(0.99, sum by (instance, le) "
                                             f"(rate({remote}_sent_batch_duration_seconds_bucket{{{HOST}}}{RATE})))", "{{instance}} 99 of 100"), unit="s"),
        ]),
    ])


def logs():
    of = "{{instance}} {{component_id}}"
    stream = '{hostname=~"$instance"}'
    return dashboard(
        "fleet-logs", "Fleet: logs", "How much the hosts log, and what.",
        [source_variable("prometheus"), source_variable("loki"), choice("job", "label_values(alloy_build_info, job)"),
         choice("instance", 'label_values(alloy_build_info{job=~"$job"}, instance)', "Host"), text_box("search", "Line holds")], [
            ("Rates, from the agents", [
                Panel("Lines delivered", (f"sum by (instance) (rate(loki_write_sent_entries_total{{{HOST}}}{RATE}))", "{{instance}}"), unit="cps"),
                Panel("Bytes delivered", (f"sum by (instance) (rate(loki_write_sent_bytes_total{{{HOST}}}{RATE}))", "{{instance}}"), unit="Bps"),
                Panel("Lines dropped", (f"sum by (instance, reason) (rate(loki_write_dropped_entries_total{{{HOST}}}{RATE}))",
                                        "{{instance}} {{reason}}"), unit="cps"),
                Panel("Journal", (f"rate(loki_source_journal_target_lines_total{{{HOST}}}{RATE})", of), unit="cps", width=6),
                Panel("Containers", (f"rate(loki_source_docker_target_entries_total{{{HOST}}}{RATE})", of), unit="cps", width=6),
                Panel("Syslog", (f"rate(loki_source_syslog_entries_total{{{HOST}}}{RATE})", of), unit="cps", width=6),
                Panel("Files", (f"sum by (instance, component_id) (rate(loki_source_file_read_lines_total{{{HOST}}}{RATE}))", of), unit="cps", width=6),
            ]),
            ("Rates, from Loki", [
                Panel("Lines by host", (f"sum by (hostname) (rate({stream} [$__auto]))", "{{hostname}}"), source=LOKI, unit="cps", width=12),
                Panel("Lines with an error", (f'sum by (hostname) (rate({stream} |~ "(?i)(error|fatal|panic)" [$__auto]))', "{{hostname}}"),
                      source=LOKI, unit="cps", width=12),
            ]),
            ("Lines", [
                Panel("Lines", (f'{stream} |~ "(?i)$search"', ""), source=LOKI, kind="logs", width=24, height=18),
            ]),
        ])


DASHBOARDS = {"hosts": hosts, "processes": processes, "containers": containers, "agent": agent, "logs": logs}


def texts():
    """-> {path: text of the file}"""
    return {FOLDER / f"{name}.json": json.dumps(make(), indent=1, ensure_ascii=False) + "\n" for name, make in DASHBOARDS.items()}


def main(words):
    if words == ["write"]:
        for path, text in texts().items():
            path.write_text(text)
    elif words == ["check"]:
        stale = [path.name for path, text in texts().items() if not path.exists() or path.read_text() != text]
        if stale:
            sys.exit(f"stale: {', '.join(stale)}; run packaging/grafana/dashboards.py write")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
