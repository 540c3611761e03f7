import { testDamageWithSidecarsOf } from './damage-scan.js';

testDamageWithSidecarsOf('bzip2');
testDamageWithSidecarsOf('none');
