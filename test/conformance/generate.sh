#!/usr/bin/env bash
# Makes gen/ again from the protos of the conformance runner's module (Apache-2.0). Needs go, and node_modules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
version=$(sed -n 's/^version=//p' install.sh)
go mod download "connectrpc.com/conformance@$version"
protos=$(go env GOMODCACHE)/connectrpc.com/conformance@$version/proto
plugin=$(realpath ../../node_modules/.bin/protoc-gen-es)
rm -rf gen
../../node_modules/.bin/buf generate "$protos" \
  --path "$protos/connectrpc/conformance/v1/service.proto" \
  --path "$protos/connectrpc/conformance/v1/server_compat.proto" \
  --path "$protos/connectrpc/conformance/v1/config.proto" \
  --template "{\"version\":\"v2\",\"plugins\":[{\"local\":\"$plugin\",\"out\":\"gen\",\"opt\":[\"target=ts\",\"import_extension=ts\",\"erasable_syntax=true\"]}]}"
