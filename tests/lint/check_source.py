#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that clang-tidy does not know: include directions, names, sizes, licence lines.

    tests/lint/check_source.py [ROOT]

Prints FILE:LINE: what is wrong, and exits with 1. docs/architecture.md has to state the same rooms.
"""
import pathlib
import re
import subprocess
import sys

# Room: the rooms that its files may include. A file belongs to the room with the longest prefix.
ROOMS = {
    'sdk': [],
    'core/base': ['sdk'],
    'core/settings': ['sdk', 'core/base'],
    'core/loop': ['sdk', 'core/base'],
    'core/plugin': ['sdk', 'core/base', 'core/settings', 'core/loop'],
    'core/store': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin'],
    'core/job': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin', 'core/store'],
    'core/report': ['sdk', 'core/base'],
    'core/script': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin', 'core/store'],
    'core/output': ['sdk', 'core/base', 'core/report', 'core/script'],
    'core/template': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin',
                      'core/store', 'core/job', 'core/report', 'core/script'],
    'core/pipeline': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin',
                      'core/store', 'core/job', 'core/report', 'core/script', 'core/template', 'core/output'],
    'core/simulate': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin',
                      'core/store', 'core/job', 'core/report', 'core/script', 'core/template',
                      'core/pipeline', 'core/output'],
    'core/cli': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin', 'core/store',
                 'core/job', 'core/report', 'core/script', 'core/template', 'core/pipeline',
                 'core/simulate', 'core/output'],
    'core/main.c': ['sdk', 'core/base', 'core/store', 'core/cli'],
    'plugins/shared/aws': ['sdk'],
    'plugins/aws/policy': ['sdk'],
    'plugins/aws/api': ['sdk', 'plugins/shared/aws'],
    'plugins/aws': ['sdk', 'plugins/shared/aws', 'plugins/aws/policy', 'plugins/aws/api'],
    'plugins/storage': ['sdk'],
    'plugins/connector': ['sdk'],
    'plugins/transport': ['sdk'],
    'plugins/transport/mqtt': ['sdk'],
    'plugins/transport/https': ['sdk'],
    'conformance': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin', 'core/store'],
    'sandbox': ['sdk', 'core/base', 'plugins/shared/aws', 'plugins/aws/policy'],
    'reference': ['sdk', 'core/base', 'core/settings', 'core/loop', 'core/plugin', 'core/store',
                  'core/job', 'core/report', 'core/script', 'core/template', 'core/pipeline',
                  'core/simulate', 'core/cli', 'sandbox', 'core/output'],
}

# The prefix of static names and private types where it is not a leading part of the file's own name.
PREFIXES = {
    'conformance/storage_kill.c': 'kill',
    'conformance/storage_race.c': 'race',
    'core/cli/glob.c': 'glob_command',
    'core/cli/options.c': 'cli',
    'core/cli/run.c': 'run_command',
    'plugins/aws/device/remove_device.c': 'removal',
    'plugins/aws/device/verify_removal.c': 'verify',
    'plugins/aws/template.c': 'aws_template',
    'plugins/transport/mqtt/mqtt.c': 'mqtt',
    'reference/main.c': 'reference',
    'sandbox/main.c': 'sandbox',
    'sandbox/principals.c': 'principal',
    'sandbox/response.c': 'respond',
}

LINES_MAX = 500
# An example of a plugin is one file.
LINES_MAX_EXAMPLE = 700
problems = []


def report(path, line, text):
    problems.append(f'{path}:{line}: {text}')


def room_of(path):
    fits = [room for room in ROOMS if path == room or path.startswith(room + '/')]
    return max(fits, key=len, default=None)


def check_includes(path, lines):
    room = room_of(path)
    for number, line in enumerate(lines, 1):
        found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not found:
            continue
        quote, header = found.groups()
        own = header.startswith(('core/', 'plugins/', 'conformance/', 'sandbox/', 'reference/', 'tests/'))
        target = 'sdk' if header.startswith('iotify/') else room_of(header)
        if own and quote == '<':
            report(path, number, 'write the headers of the project in quotes')
        if quote == '"' and not own:
            report(path, number, 'write the whole path of a header')
        if (own or target == 'sdk') and target != room and target not in ROOMS[room]:
            report(path, number, f'{room} may not include {target or header}')


def statics(lines):
    """Name and line of each static function that is defined or declared."""
    for number, line in enumerate(lines, 1):
        if line.startswith(('static ', '__attribute__')) and '(' in line and '=' not in line.split('(')[0]:
            found = re.match(r'(?:__attribute__\(\(.*\)\)\)? )?static [^(]*?\b(\w+)\(', line)
            if found and found[1] != '__attribute__':
                yield found[1], number


def publics(lines):
    """Name and line of each function that a header declares."""
    for number, line in enumerate(lines, 1):
        found = re.match(r'(?!static |typedef |extern |return )[a-z][\w ]*[ *](\w+)\(', line)
        if found and found[1] != '__attribute__':
            yield found[1], number


# Types that a header of another name leaves open, or whose plural is the name of the module.
OPAQUE = {'aws_client', 'expression', 'iotify_watch', 'iotify_lookup', 'mqtt_deferred', 'mqtt_tls', 'fault_set', 'quota_set', 'listeners'}


def types(lines):
    """Name and line of each structure, union and enumeration that a file defines."""
    for number, line in enumerate(lines, 1):
        named = re.match(r'(?:typedef )?(?:struct|union|enum) (\w+) \{', line)
        if named:
            yield named[1], number
        if re.match(r'typedef (?:struct|union|enum) \{', line):
            rest = enumerate(lines[number - 1:], number)
            ends = ((found[1], at) for at, text in rest if (found := re.match(r'\} (\w+);', text)))
            yield from [next(ends)]


def check_names(path, lines):
    stem = pathlib.PurePath(path).stem.removesuffix('_internal')
    parts = stem.split('_')
    allowed = {PREFIXES[path]} if path in PREFIXES else \
        {'_'.join(parts[:count]) for count in range(1, len(parts) + 1)}

    def check_prefix(what, name, number):
        if not any(name == prefix or name.startswith(prefix + '_') for prefix in allowed):
            report(path, number, f'the {what} {name} does not begin with {stem}_')

    for name, number in statics(lines):
        check_prefix('static name', name, number)
    for name, number in types(lines):
        if name not in OPAQUE:
            check_prefix('type', name, number)


def check_unique(files):
    """No two files define one name, and no static function has the name of a public one."""
    functions, kinds = {}, {}
    for path, lines in files.items():
        for name, number in [*statics(lines), *(publics(lines) if path.endswith('.h') else [])]:
            if functions.setdefault(name, path) != path:
                report(path, number, f'the name {name} is also in {functions[name]}')
        for name, number in types(lines):
            if kinds.setdefault(name, path) != path:
                report(path, number, f'the type {name} is also in {kinds[name]}')


def check_calls(path, lines):
    """The core marks what it enters in a plugin, so that a crash, an exit or a hang there has a name."""
    body = ''
    for number, line in enumerate(lines, 1):
        body = '' if line == '{' else body + line
        if (re.search(r'(plugin->(connector|storage|transport)\.|operations->|action->)\w+\(', line)
                and not re.search(r'\b(activity_begin|session_calls_begin|guard_enter)', body)):
            report(path, number, 'a call into a plugin without activity_begin() before it')


def check_document(root, files):
    """The table of rooms in the documentation, and the folders that there are."""
    path = 'docs/architecture.md'
    rows = dict(re.findall(r'^\| `([\w/.]+)` \| [^|]*\|([^|]*)\|$', (root / path).read_text(), re.M))
    for room, may in ROOMS.items():
        written = sorted(re.findall(r'`([\w/.]+)`', rows.get(room, '')))
        if room not in rows:
            report(path, 1, f'the table has no room {room}')
        elif written != sorted(may):
            report(path, 1, f'{room} may include {sorted(may)}, not {written}')
    for room in rows.keys() - ROOMS.keys():
        report(path, 1, f'there is no room {room}')
    for top in {path.split('/')[0] for path in files}:
        if not any(room.split('/')[0] == top for room in rows):
            report(path, 1, f'the table has nothing about {top}')
    for room in ROOMS:
        if not any(path == room or path.startswith(room + '/') for path in files):
            report(path, 1, f'{room} has no file')


def check(root):
    """The problems of a tree, as lines of text."""
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.c', '*.h'], cwd=root,
                            capture_output=True, text=True, check=True).stdout.split()
    files = {path: (root / path).read_text().splitlines() for path in sorted(listed)
             if (root / path).exists()}
    product = {path: lines for path, lines in files.items()
               if path.startswith(('core/', 'plugins/', 'conformance/', 'sandbox/', 'reference/', 'sdk/include',
                                   'sdk/src'))}
    problems.clear()
    for path, lines in product.items():
        if room_of(path) is None:
            report(path, 1, 'belongs to no room')
        else:
            check_includes(path, lines)
        if path.endswith(('.c', '_internal.h')):
            check_names(path, lines)
        if path.startswith('core/'):
            check_calls(path, lines)
    for path, lines in files.items():
        most = LINES_MAX_EXAMPLE if path.startswith('sdk/examples/') else LINES_MAX
        if len(lines) > most:
            report(path, len(lines), f'more than {most} lines')
        if not lines or not lines[0].startswith('/* SPDX-License-Identifier: Apache-2.0 */'):
            report(path, 1, 'begins without the licence line')
    check_unique(product)
    check_document(root, product)
    return problems


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    found = check(root if root.is_dir() else root.parents[2])
    print('\n'.join(found), end='\n' if found else '')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
