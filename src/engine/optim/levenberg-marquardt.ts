/**
 * The Levenberg-Marquardt rule for the damping (Martens 2010, "Deep learning via Hessian-free optimization", section
 * 4.1): with rho = actual / predicted reduction of the loss, damp by 3/2 more if rho < 1/4 or is not a number, by 2/3
 * less if rho > 3/4.
 *
 * @param alpha  weight of the identity in alpha I + (1 - alpha) C; never above 1 nor below `least`
 */
export function adaptDamping(alpha: number, rho: number, least: number): number {
  if (rho > 3 / 4) return Math.max((alpha * 2) / 3, least);
  if (rho >= 1 / 4) return alpha;
  return Math.min((alpha * 3) / 2, 1);
}
