/** For `npm run test:golden`: the suite prints its own table; all that is left to say is why a suite could not run. */
export default class GoldenReporter {
  onTestFileResult(_test, { testExecError }) {
    if (testExecError) process.stderr.write(`${testExecError.message}\n`);
  }
}
