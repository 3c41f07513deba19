// Stages: https://grafana.com/docs/loki/latest/send-data/promtail/stages/
#include "agent/convert/stages.h"

#include <array>

namespace agent::convert {
namespace {

using Writer = void (*)(Context& context, Section& stage);

struct Stage {
  std::string_view key;
  std::string_view block;
  Writer write;
};

void write_nothing(Context&, Section&) {}

void write_drop(Context& context, Section& stage) {
  if (const Node* source = stage.take("source")) {
    // Several sources are one text with commas.
    std::string names;
    if (source->is_list()) {
      for (const Node& each : source->items)
        names += (names.empty() ? "" : ",") + text_of(context, each);
      context.output.attribute("source", quoted(names), source->mark);
    } else {
      stage.carry({{"source"}});
    }
  }
  stage.carry({{"separator"},
               {"value"},
               {"expression"},
               {"older_than", As::kDuration},
               {"longer_than", As::kSize},
               {"drop_counter_reason"}});
}

void write_match(Context& context, Section& stage) {
  stage.carry({{"selector"}, {"pipeline_name"}, {"action"}, {"drop_counter_reason"}});
  if (const Node* stages = stage.take("stages")) write_stages(context, *stages);
}

// Names keep what Promtail puts before them.
void write_metric(Context& context, const Node& node, const std::string& name, Mark mark) {
  Section metric(context, node, "the metric");
  std::string type = metric.text("type");
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (type != "counter" && type != "gauge" && type != "histogram") {
    context.critical(metric.mark("type"), "a metric's type is Counter, Gauge or Histogram");
    return;
  }
  context.output.open("metric." + type, "", mark);
  context.output.attribute("name", context.environment.code(name), mark);
  metric.carry({{"description"}, {"source"}});
  if (metric.take("prefix") == nullptr)
    context.output.attribute("prefix", "\"promtail_custom_\"", mark);
  metric.carry({{"prefix"}, {"max_idle_duration", As::kDuration}});
  if (const Node* config = metric.take("config")) {
    Section inner(context, *config, "the metric's config");
    inner.carry({{"value"}});
    if (type == "histogram") {
      inner.skip({"action"});
      if (const Node* buckets = inner.take("buckets")) {
        std::vector<std::string> bounds;
        for (const Node& each : buckets->items)
          if (const auto code = code_of(context, each, As::kNumber)) bounds.push_back(*code);
        context.output.attribute("buckets", list_code(bounds), buckets->mark);
      }
    } else if (const Node* action = inner.take("action")) {
      std::string word = text_of(context, *action);
      for (char& c : word)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      context.output.attribute("action", quoted(word), action->mark);
    }
    if (type == "counter")
      inner.carry({{"match_all", As::kBool}, {"count_entry_bytes", As::kBool}});
    inner.finish();
  }
  context.output.close();
  metric.finish();
}

// A stage whose value is not a mapping of options.
bool write_special(Context& context, std::string_view key, const Node& node, Mark mark) {
  Output& output = context.output;
  const auto one = [&](std::string_view block, std::string_view argument, As as) {
    const auto code = code_of(context, node, as);
    if (!code) return;
    output.open(block, "", mark);
    output.attribute(argument, *code, node.mark);
    output.close();
  };
  if (key == "labels") {
    one("stage.labels", "values", As::kMap);
  } else if (key == "static_labels") {
    one("stage.static_labels", "values", As::kMap);
  } else if (key == "structured_metadata") {
    one("stage.structured_metadata", "values", As::kMap);
  } else if (key == "labeldrop") {
    one("stage.label_drop", "values", As::kTexts);
  } else if (key == "labelallow") {
    one("stage.label_keep", "values", As::kTexts);
  } else if (key == "metrics") {
    if (!node.is_map()) {
      context.critical(node.mark, "metrics must be a mapping");
      return true;
    }
    output.open("stage.metrics", "", mark);
    for (std::size_t i = 0; i < node.keys.size(); ++i)
      write_metric(context, node.items[i], node.keys[i].first, node.keys[i].second);
    output.close();
  } else if (key == "eventlogmessage") {
    context.error(mark, "eventlogmessage is for Windows, left out");
  } else {
    return false;
  }
  return true;
}

constexpr std::array<Stage, 18> kStages = {{
    {"docker", "stage.docker", write_nothing},
    {"decolorize", "stage.decolorize", write_nothing},
    {"cri", "stage.cri",
     [](Context&, Section& s) {
       s.carry({{"max_partial_lines", As::kNumber},
                {"max_partial_line_size", As::kByteCount},
                {"max_partial_line_size_truncate", As::kBool}});
     }},
    {"regex", "stage.regex",
     [](Context&, Section& s) {
       s.carry({{"expression"}, {"source"}, {"labels_from_groups", As::kBool}});
     }},
    {"json", "stage.json",
     [](Context&, Section& s) {
       s.carry({{"expressions", As::kMap}, {"source"}, {"drop_malformed", As::kBool}});
     }},
    {"logfmt", "stage.logfmt",
     [](Context&, Section& s) {
       s.carry({{"mapping", As::kMap}, {"source"}});
     }},
    {"template", "stage.template",
     [](Context&, Section& s) {
       s.carry({{"source"}, {"template"}});
     }},
    {"timestamp", "stage.timestamp",
     [](Context&, Section& s) {
       s.carry({{"source"},
                {"format"},
                {"fallback_formats", As::kTexts},
                {"location"},
                {"action_on_failure"}});
     }},
    {"output", "stage.output", [](Context&, Section& s) { s.carry({{"source"}}); }},
    {"multiline", "stage.multiline",
     [](Context&, Section& s) {
       s.carry({{"firstline"}, {"max_lines", As::kNumber}, {"max_wait_time", As::kDuration}});
     }},
    {"pack", "stage.pack",
     [](Context&, Section& s) {
       s.carry({{"labels", As::kTexts}, {"ingest_timestamp", As::kBool}});
     }},
    {"limit", "stage.limit",
     [](Context&, Section& s) {
       s.carry({{"rate", As::kNumber},
                {"burst", As::kNumber},
                {"drop", As::kBool},
                {"by_label_name"},
                {"max_distinct_labels", As::kNumber}});
     }},
    {"tenant", "stage.tenant",
     [](Context&, Section& s) {
       s.carry({{"label"}, {"source"}, {"value"}});
     }},
    {"replace", "stage.replace",
     [](Context&, Section& s) {
       s.carry({{"expression"}, {"source"}, {"replace"}});
     }},
    {"sampling", "stage.sampling",
     [](Context&, Section& s) {
       s.carry({{"rate", As::kNumber}, {"drop_counter_reason"}});
     }},
    {"geoip", "stage.geoip",
     [](Context&, Section& s) {
       s.carry({{"db"}, {"source"}, {"db_type"}, {"custom_lookups", As::kMap}});
     }},
    {"drop", "stage.drop", write_drop},
    {"match", "stage.match", write_match},
}};

void write_stage(Context& context, std::string_view key, const Node& node, Mark mark) {
  if (write_special(context, key, node, mark)) return;
  for (const Stage& stage : kStages) {
    if (stage.key != key) continue;
    Section section(context, node, key);
    context.output.open(stage.block, "", mark);
    stage.write(context, section);
    context.output.close();
    section.finish();
    return;
  }
  context.error(mark, "unknown stage, left out: " + std::string(key.substr(0, 100)));
}

}  // namespace

void write_stages(Context& context, const Node& stages) {
  if (!stages.is_list()) {
    context.critical(stages.mark, "stages must be a list");
    return;
  }
  for (const Node& each : stages.items) {
    // "- cri" instead of "- cri: {}".
    if (each.is_text()) {
      write_stage(context, text_of(context, each), {}, each.mark);
    } else if (each.is_map()) {
      if (each.keys.size() != 1) context.critical(each.mark, "a stage has one key, its kind");
      for (std::size_t i = 0; i < each.keys.size(); ++i)
        write_stage(context, each.keys[i].first, each.items[i], each.keys[i].second);
    } else if (!each.is_null()) {
      context.critical(each.mark, "a stage must be a mapping");
    }
  }
}

}  // namespace agent::convert
