/** Something that several operators hold on to and that goes with the last of them. */
export class Holders {
  #count = 0;

  /** @param free  runs once, when the last holder has let go */
  constructor(private readonly free: () => void) {}

  /** Hold on; the function that is returned lets go, once. */
  retain(): () => void {
    this.#count++;
    let holding = true;
    return () => {
      if (!holding) return;
      holding = false;
      if (--this.#count === 0) this.free();
    };
  }
}
