import {main} from './calibrate.js';

process.exit(main(process.argv.slice(2)));
