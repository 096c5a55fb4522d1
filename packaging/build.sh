#!/bin/sh
# Make the one executable, `dist/uptimehunt`, and its checksum: `sh packaging/build.sh`.
set -eu
# shellcheck source=environment.sh
. "$(dirname -- "$0")/environment.sh"

# Warnings of PyInstaller that mean nothing; any other fails the build.
# Its list of falcon's parts still names one that falcon 4 no longer has; and libraries have a part
# for Windows, which looks for that system's user32.
harmless='Hidden import "falcon\.vendor(\.mimeparse)?" not found!|Library user32 required via ctypes'

environment build
for tool in objcopy objdump strip; do
    has "$tool" || install binutils
done
"$python" -c 'from PyInstaller.depend import bindepend; bindepend.get_python_library_path()' \
    2>/dev/null || install "$("$python" -c 'import sys; print("libpython3.%d" % sys.version_info[1])')"

work=$root/build/executable
log=$work/log
mkdir -p "$work" "$root/dist"
rm -f "$root/dist/uptimehunt" "$root/dist/uptimehunt.sha256"
cd -- "$root"
if ! env -u PYTHONPATH PYINSTALLER_CONFIG_DIR="$work/cache" \
    "$python" -m PyInstaller --noconfirm --clean --distpath "$work/dist" --workpath "$work" \
    packaging/uptimehunt.spec >"$log" 2>&1; then
    cat "$log" >&2
    fail "The executable could not be built; see above."
fi
if grep WARNING "$log" | grep -Ev "$harmless" >&2; then
    fail "PyInstaller warns of something new: cure it, or list it in build.sh as harmless."
fi

cd dist
mv "$work/dist/uptimehunt" uptimehunt
sha256sum uptimehunt >uptimehunt.sha256
grep '^needs glibc' "$log"
printf '%s: %s KB\n' "$root/dist/uptimehunt" "$(($(wc -c <uptimehunt) / 1024))"
