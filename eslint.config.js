import js from '@eslint/js';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Arrows between the rooms: engine <- lab <- cli, never back. */
const only = (files, group, message) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] },
});

export default tseslint.config(
  { ignores: ['dist/', 'dist-docs/', 'dist-examples/', 'dist-bench/', 'node_modules/', 'data/', 'fig/', 'coverage/'] },
  js.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { 'import-x': importX },
    // A file is imported by the name of what it compiles to.
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/resolver-next': [
        createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } }),
      ],
    },
    rules: { 'import-x/no-cycle': ['error', { ignoreExternal: true }], 'import-x/no-unresolved': 'off' },
  },
  { files: ['scripts/**', 'test/**', 'examples/**'], rules: { 'no-console': 'off' } },
  only(['src/engine/**/*.ts'], ['**/lab/**', '**/cli/**'], 'The engine knows nothing of the lab or the cli.'),
  only(['src/lab/**/*.ts'], ['**/cli/**'], 'The lab knows nothing of the cli.'),
);
