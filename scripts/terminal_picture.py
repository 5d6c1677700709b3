#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text of a terminal as SVG: terminal_picture.py COLUMNS <text >picture.svg"""
import sys
from xml.sax.saxutils import escape

CELL, LINE, MARGIN = 8.4, 19, 16
NBSP = '\u00a0'
columns = int(sys.argv[1])
lines = sys.stdin.read().rstrip().split('\n')
width, height = columns * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" role="img" '
      f'aria-label="iotifyd in a terminal">\n<rect width="100%" height="100%" rx="8" fill="#0f1318"/>\n'
      '<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" fill="#e6e9ed">')
for at, line in enumerate(lines):
    if line:
        # Spaces that stay; and the width is given, so that each font has the same columns.
        text = escape(line.replace(' ', NBSP))
        print(f'<text x="{MARGIN}" y="{MARGIN + (at + 0.75) * LINE:.0f}" textLength="{len(line) * CELL:.1f}" lengthAdjust="spacingAndGlyphs">{text}</text>')
print('</g>\n</svg>')
