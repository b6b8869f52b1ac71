#!/usr/bin/env bash
# Installs Connect's conformance runner, pinned, and prints its path as the last line. Needs go.
set -euo pipefail
version=v1.0.7
folder=${AI_FORGE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/ai-forge-tools}/connectconformance-$version
if [ ! -x "$folder/connectconformance" ]; then
  mkdir -p "$folder"
  GOBIN=$folder go install "connectrpc.com/conformance/cmd/connectconformance@$version" >&2
fi
printf '%s\n' "$folder/connectconformance"
