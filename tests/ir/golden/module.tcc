state count = f32[2] [0.0, 0.0]

func step(p = {W = %p.W: f32[n], "b c" = [%p.b.0: f32[n], (%p.b.1.0: f32[n],)], none = none}, %q: f32[n]) -> (out.0: f32[n], out.1: f32[n])
  reads %count: f32[n] = count
  writes count
  doc "Does it."
{  // model.py:3
  %0: f32[n] = add(%p.W, %p.b.0)  // model.py:3
  return %0, %0, %count
}

func plain(%x: f64[3]) -> out: f64[3] {  // model.py:3
  return %x
}
