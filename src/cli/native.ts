import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Command } from 'commander';
import { BackendError } from '../errors.js';
import { packageRoot } from './shared.js';

/** `hbp native`: builds the addon of the native backend where the package is, from the sources that it ships. */
export function nativeCommand(): Command {
  return new Command('native')
    .description('build the native backend, the fastest on CPUs: needs a C++ compiler and oneDNN, takes minutes')
    .option('--force', 'build again what is up to date')
    .addHelpText(
      'after',
      `
It needs a C++17 compiler, make, python3 and oneDNN with its headers; OpenBLAS is used if it is there:
  sudo apt install g++ make python3 libdnnl-dev libopenblas0-pthread    # Debian, Ubuntu
  sudo dnf install gcc-c++ make python3 onednn-devel openblas           # Fedora
  brew install onednn openblas libomp                                   # macOS
  conda install -c conda-forge cxx-compiler make onednn openblas        # conda
DNNL_ROOT says where oneDNN is, if it is elsewhere. Exit code 4 if it cannot be built; hbp works without it, slower.

Examples:
  hbp native
  hbp native --force`,
    )
    .action(({ force }: { force?: true }) => {
      const script = join(packageRoot, 'scripts/build-native.js');
      const { status, error } = spawnSync(process.execPath, [script, ...(force ? ['--force'] : [])], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      if (error) throw new BackendError(`the native backend was not built: ${error.message}`);
      if (status !== 0) {
        throw new BackendError('hbp goes on without it: `hbp native --help` lists what to install, then try again');
      }
    });
}
