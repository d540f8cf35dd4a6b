import { describe, expect, it } from 'vitest';
import { nameProblem } from './name';

describe('nameProblem', () => {
  it.each(['training-server', '  padded\t', 'ключ для обучения', '学習サーバー', 'کلید‌ها', '👩‍🔬 lab', 'é'.repeat(64)])(
    'accepts %j',
    (name) => expect(nameProblem(name)).toBeNull(),
  );

  it('counts code points, not UTF-16 units', () => {
    expect(nameProblem('😀'.repeat(64))).toBeNull();
    expect(nameProblem('😀'.repeat(65))).toBe('tooLong');
  });

  it.each(['', '   ', '\u200B', '\u2060 \uFEFF', '\u3164'])('sees nothing in %j', (name) =>
    expect(nameProblem(name)).toBe('empty'),
  );

  it.each(['a\nb', 'a\0b', 'a\x7Fb', 'a\u202Eb', 'a\u2028b', 'a\u2066b'])('refuses the controls in %j', (name) =>
    expect(nameProblem(name)).toBe('control'),
  );

  it('refuses a pasted key, also inside a longer text', () => {
    const key = `ul_${'0a'.repeat(20)}`;
    expect(nameProblem(key)).toBe('containsKey');
    expect(nameProblem(`export ULTRALYTICS_API_KEY="${key}" # for the machine`)).toBe('containsKey');
    expect(nameProblem(key.slice(0, -1))).toBeNull();
  });
});
