import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import t from 'tap';
import { isLicenceText, licenceHeaderLines } from '../../../guardian/dataset/licence.ts';

const mit = `The MIT License (MIT)

Copyright (c) 2024 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software, to deal in the Software without restriction.

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND. IN NO EVENT SHALL
THE AUTHORS BE LIABLE FOR ANY CLAIM.
`;

t.test('licence files are known by name', async (t) => {
  for (const path of ['LICENSE', 'LICENCE.md', 'licence.txt', 'src/COPYING', 'COPYING.LESSER', 'NOTICE', 'NOTICE.txt', 'UNLICENSE', 'LICENSE-MIT', 'LICENSE-APACHE-2.0.txt', 'MIT-LICENSE', 'LICENSES/MIT.txt', 'LICENSES/GPL-3.0-or-later.txt', 'third/licenses/zlib']) t.ok(isLicenceText(path, 'Some terms.'), path);
  for (const path of ['license.ts', 'src/notice.py', 'license-checker.js', 'copying.go', 'README.md', 'docs/licensing.md', 'noticeboard.md', 'licenses/index.js', 'licenses/check.py', 'licenses/config.yaml', 'licenses.json']) t.notOk(isLicenceText(path, 'Some terms.'), path);
});

t.test('licence files are known by what they say', async (t) => {
  t.ok(isLicenceText('docs/terms.txt', mit));
  t.ok(isLicenceText('legal.md', mit.split('\n').map((line) => `  ${line}`).join('\n')), 'indented');
  t.notOk(isLicenceText('src/shop.js', `/*\n${mit}*/\nshop();\n`), 'a source file with a header is none');
  t.notOk(isLicenceText('README.md', `# Shop\n\n${'Sells lamps to tigers, by weight and in the dark.\n\n'.repeat(10)}## License\n\nThe MIT License, Copyright (c) 2024 Someone\n`));
  t.notOk(isLicenceText('empty.txt', ''));
});

t.test('licences of installed packages are known without their names', async (t) => {
  const root = resolve(import.meta.dirname, '../../../node_modules');
  const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
  for (const path of ['ws/LICENSE', 'yaml/LICENSE', 'typescript/LICENSE.txt', 'undici/LICENSE', '@grpc/grpc-js/LICENSE', 'semver/LICENSE']) t.ok(isLicenceText('legal.txt', await read(path)), path);
  for (const path of ['ws/README.md', 'yaml/README.md', 'undici/README.md', '@grpc/grpc-js/README.md', 'semver/README.md']) t.notOk(isLicenceText('guide.txt', await read(path)), path);
});

t.test('a licence header is counted in lines, with what has to come before it', async (t) => {
  const cases: readonly [lines: number, text: string][] = [
    [3, '// Copyright 2009 The Go Authors. All rights reserved.\n// Use of this source code is governed by a BSD-style license.\n\n// Package shop sells lamps.\npackage shop\n'],
    [1, '// SPDX-License-Identifier: MIT\nexport const a = 1;\n'],
    [4, '/*\n * Copyright (c) 2024 Someone\n */\n\nint a;\n'],
    [2, '#!/usr/bin/env python\n# Licensed under the Apache License, Version 2.0\n"""Sells lamps."""\n'],
    [4, '# -*- coding: utf-8 -*-\n\n# Copyright 2020 Someone\n\nimport os\n'],
    [5, '# Copyright 2020 Someone\n\n# Licensed under the MIT license\n# in full\n\n# Sells lamps.\nimport os\n'],
    [3, '<!--\n (c) 2019 Someone, all rights reserved -->\n\n<p>'],
    [1, '/* Copyright (C) 1995 Someone */\nint a;\n'],
    [2, '"""Copyright 2020 Someone. All rights\nreserved."""\nimport os\n'],
    [2, '-- Copyright 2020 Someone\n\nSELECT 1;\n'],
    [0, '// Parses licence files.\nexport const a = 1;\n'],
    [0, '"""Sells lamps."""\n# Copyright 2020\n'],
    [0, 'const a = 1; // Copyright 2020 Someone\n'],
    [0, '#include <a.h>\n/* Copyright 2020 Someone */\n'],
    [0, '/* Copyright 2020 Someone, never closed\nint a;\n'],
    [0, '/* Copyright 2020 Someone */ int a;\n'],
    [0, ''],
    [0, '\n\n'],
  ];
  for (const [lines, text] of cases) t.equal(licenceHeaderLines(text), lines, JSON.stringify(text.slice(0, 60)));
});
