func f(%x: f32[n, 2], p = {W = %p.W: f32[2, m], b = %p.b: f32[m]}) -> (out.0: f32[n, m], (out.1.0: f32[m], out.1.1: f32[n]))
  doc "Documented."
{
  %0: f32[n, m] = dot_general(%x, %p.W, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))
  %1: f32[n, m] = broadcast_to(%p.b, shape=(n, m))
  %2: f32[n, m] = add(%0, %1)
  %3: f32[] = literal(value=f32[] 0.0)
  %4: f32[n, m] = broadcast_to(%3, shape=(n, m))
  %5: f32[n, m] = maximum(%2, %4)
  %6: i64[] = extent(size=n)
  %7: f32[] = astype(%6, dtype=f32)
  %8: f32[n, m] = broadcast_to(%7, shape=(n, m))
  %9: f32[n, m] = divide(%5, %8)
  %10: f32[m] = full(shape=(m,), value=0.0, dtype=f32)
  %11: f32[m], %12: f32[n] = scan(%10, %5, body=graph step(%carry: f32[m], %arg1: f32[m]) {
    %0: f32[] = literal(value=f32[] 0.5)
    %1: f32[m] = broadcast_to(%0, shape=(m,))
    %2: f32[m] = multiply(%carry, %1)
    %3: f32[m] = add(%2, %arg1)
    %4: f32[] = sum(%carry, axes=(0,))
    return %3, %4
  }, carries=1, consts=0, length=n, reverse=False)
  return %9, %11, %12
}
