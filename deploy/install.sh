#!/bin/sh
# Installs the gateway's executable for this machine, after checking its SHA-256:
#   sh install.sh [--version 1.0.0] [--dir /usr/local/bin] [--from URL]
# Needs curl, and sha256sum or shasum. --from is the folder that holds the release's files.
set -eu

name=simple-ai-gateway
version=1.0.0
dir=/usr/local/bin
from=
# Put in when a release is made.
repository=@REPOSITORY@

usage() {
  sed -n '2,4s/^# \{0,1\}//p' "$0"
}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --version) version=${2:?"--version needs a value"}; shift 2 ;;
    --dir) dir=${2:?"--dir needs a value"}; shift 2 ;;
    --from) from=${2:?"--from needs a value"}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument $1" ;;
  esac
done

if [ -z "$from" ]; then
  case $repository in
    @*) fail "this copy belongs to no release: name the folder of its files with --from" ;;
  esac
  from="https://github.com/$repository/releases/download/v$version"
fi

case $(uname -s) in
  Linux) os=unknown-linux-gnu ;;
  Darwin) os=apple-darwin ;;
  *) fail "no executable for $(uname -s); build one with: deno task compile" ;;
esac
case $(uname -m) in
  x86_64 | amd64) cpu=x86_64 ;;
  aarch64 | arm64) cpu=aarch64 ;;
  *) fail "no executable for $(uname -m); build one with: deno task compile" ;;
esac
file=$name-$cpu-$os

if command -v sha256sum >/dev/null; then sum=sha256sum
elif command -v shasum >/dev/null; then sum="shasum -a 256"
else fail "needs sha256sum or shasum"
fi
command -v curl >/dev/null || fail "needs curl"
[ -d "$dir" ] || fail "$dir is no folder"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
curl -fsSL --retry 3 -o "$folder/$file" "$from/$file" || fail "cannot get $from/$file"
curl -fsSL --retry 3 -o "$folder/SHA256SUMS" "$from/SHA256SUMS" || fail "cannot get $from/SHA256SUMS"

wanted=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1 }' "$folder/SHA256SUMS")
[ -n "$wanted" ] || fail "SHA256SUMS does not name $file"
got=$($sum "$folder/$file" | cut -d ' ' -f 1)
[ "$got" = "$wanted" ] || fail "$file has the SHA-256 $got, expected $wanted: nothing was installed"

chmod 755 "$folder/$file"
# Beside its place and renamed: the old one may be running.
cp -p "$folder/$file" "$dir/.$name.new" || fail "cannot write to $dir (as root, or with --dir)"
mv -f "$dir/.$name.new" "$dir/$name"
echo "$dir/$name: $("$dir/$name" --version)"
