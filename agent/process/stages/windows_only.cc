// stage.eventlogmessage and stage.windowsevent take the text of Windows' event log apart. There is
// none where this agent runs: they are known, and refused.
#include "agent/process/stage.h"

namespace agent::process {
namespace {

StageDeclaration refused(const std::string& name) {
  StageDeclaration stage;
  stage.name = "stage." + name;
  stage.doc = "Windows only: a configuration that has it is refused.";
  stage.fields = [] { return std::vector<component::FieldInfo>(); };
  stage.decode = [name](const lang::Block& block, std::vector<StageSpec>&,
                        lang::Diagnostics& diagnostics) {
    diagnostics.error(block.span,
                      "stage." + name + " is for Windows' event log only and not supported here");
  };
  return stage;
}

}  // namespace

StageDeclaration stage_eventlogmessage() { return refused("eventlogmessage"); }
StageDeclaration stage_windowsevent() { return refused("windowsevent"); }

}  // namespace agent::process
