/** A whole Slurm on this machine, for as long as a test takes: munged, slurmctld and slurmd in a scratch folder. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, hostname, tmpdir, totalmem, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Daemons are in sbin, which not every PATH has. */
const path = [process.env.PATH, '/usr/sbin', '/usr/local/sbin'].join(delimiter);
const programs = ['munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue', 'scontrol', 'scancel', 'sinfo'];

/** munged, slurmctld, slurmd. */
const programsRunning = 3;

/** Why Slurm cannot run here; to be said where a test leaves itself out. */
export class NoSlurm extends Error {}

/**
 * Starts it, waits until the node takes jobs.
 *
 * @returns `environment` for the client commands, `stop` to end all of it
 * @throws NoSlurm  with the last words of the daemon that did not start
 */
export async function startCluster() {
  const missing = programs.filter((name) => !path.split(delimiter).some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) throw new NoSlurm(`${missing.join(', ')} not installed`);
  const dir = mkdtempSync(join(tmpdir(), 'hbp-slurm-'));
  const at = (name) => join(dir, name);
  const daemons = [];
  const environment = { ...process.env, PATH: path, SLURM_CONF: at('slurm.conf') };
  const ask = (...command) =>
    execFileSync(command[0], command.slice(1), { env: environment, stdio: 'pipe' }).toString();
  const stop = async () => {
    // A job outlives the daemon that started it.
    for (let i = 0; daemons.length === programsRunning && i < 100; i++) {
      try {
        if (ask('squeue', '--noheader') === '') break;
        ask('scancel', `--user=${userInfo().username}`, ...(i < 50 ? [] : ['--full', '--signal=KILL']));
      } catch {
        break; // the controller is gone
      }
      await sleep(200);
    }
    for (const daemon of daemons.reverse()) await end(daemon);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    for (const name of ['state', 'spool', 'log']) mkdirSync(at(name));
    // The processes of users look for the socket here.
    execFileSync('chmod', ['755', dir]);
    writeFileSync(at('munge.key'), randomBytes(128), { mode: 0o400 });
    writeFileSync(at('slurm.conf'), configuration(at, { controller: await freePort(), node: await freePort() }));
    const start = (name, ...args) => {
      const child = spawn(name, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
      const daemon = { name, child, words: '' };
      child.on('error', (error) => (daemon.words += error.message));
      child.stderr.on('data', (text) => (daemon.words = (daemon.words + text).slice(-2000)));
      daemons.push(daemon);
    };
    const munge = { key: 'munge.key', socket: 'munge.socket', pid: 'munge.pid', log: 'log/munged', seed: 'munge.seed' };
    const files = Object.entries(munge).map(
      ([option, name]) => `--${option}${{ socket: '', key: '-file' }[option] ?? '-file'}=${at(name)}`,
    );
    start('munged', '--foreground', '--force', ...files);
    await until(() => existsSync(at(munge.socket)), daemons, 'munged makes no socket');
    start('slurmctld', '-D', '-f', at('slurm.conf'));
    start('slurmd', '-D', '-f', at('slurm.conf'), '-N', hostname());
    const isIdle = () => {
      try {
        return /idle/.test(ask('sinfo', '--noheader', '--format=%T'));
      } catch {
        return false; // not yet there
      }
    };
    await until(isIdle, daemons, 'the node does not become idle');
    return { environment, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configuration(at, port) {
  const { username } = userInfo();
  const memory = Math.floor((totalmem() / 2 ** 20) * 0.9);
  return `
ClusterName=hbp
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmUser=${username}
SlurmdUser=${username}
SlurmctldPort=${port.controller}
SlurmdPort=${port.node}
AuthType=auth/munge
# A requeued job waits until its old credential is void.
AuthInfo=socket=${at('munge.socket')},cred_expire=5
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool')}
SlurmctldPidFile=${at('slurmctld.pid')}
SlurmdPidFile=${at('slurmd.pid')}
SlurmctldLogFile=${at('log/slurmctld')}
SlurmdLogFile=${at('log/slurmd')}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
KillWait=10
NodeName=${hostname()} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} RealMemory=${memory}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(isSo, daemons, otherwise) {
  for (let i = 0; i < 150; i++) {
    const dead = daemons.find(({ child }) => child.exitCode !== null || child.signalCode !== null || !child.pid);
    if (dead) throw new NoSlurm(`${dead.name} did not start: ${lastWords(dead)}`);
    if (isSo()) return;
    await sleep(200);
  }
  throw new NoSlurm(`${otherwise}: ${daemons.map((daemon) => `${daemon.name}: ${lastWords(daemon)}`).join('; ')}`);
}

function lastWords({ words }) {
  return words.trim().split('\n').at(-1) || 'without a word';
}

async function end({ child }) {
  if (child.exitCode !== null || child.signalCode !== null || !child.pid) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([gone, sleep(10_000, undefined, { ref: false })]);
  child.kill('SIGKILL'); // nothing to one that has ended
  await gone;
}

/** Of a file that may not be there. */
export function contentOf(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
