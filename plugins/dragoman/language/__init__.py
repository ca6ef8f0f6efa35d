"""The language of integrations: reads, checks and compiles YAML."""

from dragoman.language.load import all_flows, check_files, compile_definition, find_flow, load_flow

__all__ = ["all_flows", "check_files", "compile_definition", "find_flow", "load_flow"]
